"""Ctrl-C and SIGTERM as a wish: the study ends between two epochs, its tables whole."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["interruptible"]


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Take the first Ctrl-C or SIGTERM as a wish; a second one is Python's own.

    Yields:
        A function that tells whether one has come.
    """
    asked = False
    before: dict[signal.Signals, Any] = {}

    def wish(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        print("Ending when the epochs in training are over; once more ends at once.", file=sys.stderr)
        for each, handler in before.items():
            signal.signal(each, handler)

    with contextlib.suppress(ValueError):  # not in the main thread: a notebook's or a test's own thread
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, wish)
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
