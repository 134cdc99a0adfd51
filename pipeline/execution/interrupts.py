"""The process of a study: Ctrl-C and SIGTERM, one study at a time, and its state afterwards.

On a signal a study ends between two epochs with complete tables; before training it ends immediately.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from pipeline.code.snapshot import as_before
from pipeline.errors import UsageError
from pipeline.training.process import kept_global_state

_LOCK = threading.RLock()
_MAX_DEFERRED = 2
"""Signals that may wait in `defer_signals`; the next one raises immediately."""

_MESSAGE = (
    "The study ends when the epochs in training are complete. A second signal ends it immediately, and these epochs "
    "are lost."
)


class Interrupts:
    """Handles Ctrl-C and SIGTERM, and remembers the first one.

    Until training begins, a signal raises KeyboardInterrupt. Then the first one only sets `requested`, which the
    training loop reads between two epochs; the second one raises. A signal does not cut off what is written in the
    context `defer_signals`, except a third one, which raises immediately.
    """

    def __init__(self) -> None:
        self.requested = False
        self._signals = 0
        self._training = False
        self._deferring = 0
        self._before: dict[signal.Signals, Any] = {}
        self._process = os.getpid()

    def listen(self) -> None:
        """Handle signals from now on; call it again where a library has replaced the handlers.

        A signal that the process ignores stays ignored: a shell starts background jobs with SIGINT ignored.
        """
        with contextlib.suppress(ValueError):  # not in the main thread, the only one that may set handlers
            for each in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(each) != signal.SIG_IGN:
                    self._before.setdefault(each, signal.signal(each, self._handle))

    def leave(self) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def begin_training(self) -> None:
        """Let the first signal wait for the end of an epoch from now on."""
        if self._signals:
            raise KeyboardInterrupt
        self._training = True

    @contextlib.contextmanager
    def defer_signals(self) -> Iterator[None]:
        """A context in which a signal that would raise waits for the end."""
        before = self._signals
        self._deferring += 1
        try:
            yield
        finally:
            self._deferring -= 1
        if self._signals > before and not self._deferring and self._raises:
            raise KeyboardInterrupt

    @property
    def _raises(self) -> bool:
        return self._signals > 1 or not self._training

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A process that the user's code has forked, as multiprocessing.Pool does, ends as it would without a study.
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
            signal.raise_signal(number)
            return
        self._signals += 1
        if self._training:
            self.requested = True
        if not self._raises:
            # It may come in the middle of another print.
            with contextlib.suppress(RuntimeError):
                print(_MESSAGE, file=sys.stderr, flush=True)
        elif not self._deferring or self._signals > _MAX_DEFERRED:
            raise KeyboardInterrupt


@contextlib.contextmanager
def study_process() -> Iterator[Interrupts]:
    """Run one study at a time in this process, handle its signals, and restore afterwards what it changes there.

    A study within a study's own function is allowed; another thread's is refused.
    """
    if not _LOCK.acquire(blocking=False):
        raise UsageError(
            "Another thread of this process is running a study. Studies change what all threads share: random "
            "generators, imports, standard output, Ray. Run one after the other, or each in a separate process."
        )
    interrupts = Interrupts()
    try:
        with kept_process_state():
            interrupts.listen()
            yield interrupts
    finally:
        interrupts.leave()
        _LOCK.release()


@contextlib.contextmanager
def kept_process_state() -> Iterator[None]:
    """Restore, after the context, what running, training or loading a study changes in its process: what imports find
    and, as far as `kept_global_state` can, generators and settings of Python, NumPy, Keras and TensorFlow.
    """
    with as_before(), kept_global_state():
        yield
