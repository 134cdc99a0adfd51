"""Ctrl-C and SIGTERM as a wish: the study ends between two epochs, its tables whole."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupts", "interruptible"]


class Interrupts:
    """Takes the first Ctrl-C or SIGTERM as a wish; a second one is Python's own."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def listen(self) -> None:
        """Take signals from now on; once more where somebody has put a handler of theirs in place."""
        if self.asked:
            return
        with contextlib.suppress(ValueError):  # not in the main thread: a notebook's or a test's own thread
            for each in (signal.SIGINT, signal.SIGTERM):
                before = signal.signal(each, self._wish)
                self._before.setdefault(each, before)

    def leave(self) -> None:
        """Give the signals back to whoever had them."""
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _wish(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        print("Ending when the epochs in training are over; once more ends at once.", file=sys.stderr)
        self.leave()


@contextlib.contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Take the first Ctrl-C or SIGTERM as a wish, as long as the context is open.

    Yields:
        Tells whether one has come.
    """
    interrupts = Interrupts()
    interrupts.listen()
    try:
        yield interrupts
    finally:
        interrupts.leave()
