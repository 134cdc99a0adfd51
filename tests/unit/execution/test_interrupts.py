"""Signals of a study: none is lost, wherever it arrives."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from pipeline.execution.interrupts import interruptible
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
    with interruptible() as interrupts:
        _Finalized()
        with pytest.raises(KeyboardInterrupt):
            interrupts.begin_training()


def test_a_lost_signal_prints_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:

    class Failing:
        def __del__(self) -> None:
            raise ValueError("of another kind")

    hook = sys.unraisablehook
    sys.unraisablehook = sys.__unraisablehook__
    try:
        with interruptible():
            _Finalized()
            assert capsys.readouterr().err == ""
            Failing()
            assert "of another kind" in capsys.readouterr().err
        assert sys.unraisablehook is sys.__unraisablehook__
    finally:
        sys.unraisablehook = hook


@pytest.mark.parametrize(("number", "again"), [(signal.SIGINT, "Ctrl-C again"), (signal.SIGTERM, "Another signal")])
def test_the_first_signal_says_what_it_does_and_what_another_one_does(
    number: signal.Signals, again: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interruptible() as interrupts:
            interrupts.begin_training()
            signal.raise_signal(number)
            assert capsys.readouterr().err == (
                "The study ends when the epochs in training are complete. "
                f"{again} ends it immediately, and these epochs are lost.\n"
            )
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_forked_process_ends_at_sigterm_as_without_a_study() -> None:
    ready, begun = os.pipe()
    with interruptible():
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
