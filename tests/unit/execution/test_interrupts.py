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
    """A signal that a user's code has swallowed is raised again before training begins."""
    with interruptible() as interrupts:
        _Finalized()
        with pytest.raises(KeyboardInterrupt):
            interrupts.begin_training()


def test_a_lost_signal_prints_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Within a study, an interrupt lost in a finalizer prints no traceback; other errors are printed as before."""

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


def test_the_handler_can_be_pickled_while_it_listens() -> None:
    """An active signal handler can be pickled by cloudpickle even if the earlier handler is a local function."""
    from ray import cloudpickle

    def earlier(signum: int, frame: object) -> None:
        """Stands for a handler that Ray sets."""

    before = signal.signal(signal.SIGTERM, earlier)
    try:
        with interruptible() as interrupts:
            assert cloudpickle.loads(cloudpickle.dumps(interrupts)).requested is False
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("number", "again"), [(signal.SIGINT, "Ctrl-C again"), (signal.SIGTERM, "Another signal")])
def test_the_first_signal_says_what_it_does_and_what_another_one_does(
    number: signal.Signals, again: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """While trials train, the first signal prints what it and a second signal do, and the second one raises."""
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
    """A process that the user's code forks, as for multiprocessing.Pool, is ended by SIGTERM, and raises nothing."""
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
