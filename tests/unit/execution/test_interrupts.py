"""Signals of a study: none is lost, wherever it arrives."""

import os
import signal
from collections.abc import Iterator

import pytest

from pipeline.execution.interrupts import study_process
from tests.processes import receiving_signals


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    with receiving_signals():
        yield


class _Finalized:
    """Something whose finalizer gets a signal: Python ignores exceptions there."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_in_code_that_ignores_exceptions_ends_the_study() -> None:
    with study_process() as interrupts:
        _Finalized()
        with pytest.raises(KeyboardInterrupt):
            interrupts.begin_training()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_waits_and_the_second_raises(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    with study_process() as interrupts:
        interrupts.begin_training()
        signal.raise_signal(number)
        assert interrupts.requested
        assert "A second signal ends it immediately" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_what_is_written_is_cut_off_by_the_third_signal_only() -> None:
    with study_process() as interrupts:
        interrupts.begin_training()
        written = []

        def write() -> None:
            with interrupts.defer_signals():
                signal.raise_signal(signal.SIGTERM)
                written.append("after the first")
                signal.raise_signal(signal.SIGTERM)
                written.append("after the second")

        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                write()
        assert written == ["after the first", "after the second"]


def test_a_forked_process_ends_at_sigterm_as_without_a_study() -> None:
    ready, begun = os.pipe()
    with study_process():
        child = os.fork()
        if child == 0:
            try:
                # Python forgets a signal that comes before this.
                os.write(begun, b"x")
                while True:
                    pass
            finally:
                os._exit(3)
        os.read(ready, 1)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
    os.close(ready)
    os.close(begun)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM
