"""Code that reports its epochs by calls, as an iterator of epochs: it runs in a thread that waits at each report."""

import contextvars
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from pipeline.training.base import NotNumeric, as_number

_END_SECONDS = 60.0


class Stopped(BaseException):
    """Ends the code at its next report: its trial ends, or moves on. No `except Exception` catches it."""


class Steps(Iterator[Any]):
    """Iterates over what code reports. One side runs at a time: the code, or the caller that takes the reports.

    `target` is the code, which calls `report` of these steps. `returned` makes the last step of the code's return value
    and the number of its reports; None for none.
    """

    def __init__(self, target: Callable[["Steps"], Any], returned: Callable[[Any, int], Any] = lambda *_: None) -> None:
        self._target, self._returned = target, returned
        self._reports: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._turns: SimpleQueue[bool] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.stopped, self._ended, self._last = False, False, False
        self.count = 0

    def report(self, step: Any, *, last: bool = False) -> None:
        """Report a step, and wait until the next one is wanted; called by the code."""
        if self.stopped:
            raise Stopped
        self.count += 1
        self._last = last
        self._reports.put(("step", step))
        self._turns.get()
        if self.stopped:
            raise Stopped

    def __next__(self) -> Any:
        if self._last:
            self.close()
        if self._ended:
            raise StopIteration
        if self._thread is None:
            # The trial is known to the code's thread, too.
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=lambda: context.run(self._run), name="steps", daemon=True)
            self._thread.start()
        else:
            self._turns.put(True)
        kind, content = self._reports.get()
        if kind == "step":
            return content
        self._ended = True
        if kind == "error":
            raise content
        last = self._returned(content, self.count)
        if last is None:
            raise StopIteration
        return last

    def close(self) -> None:
        """End the code where it waits, and wait until its own clean-up has run."""
        self.stopped = self._ended = True
        if self._thread is not None and self._thread.is_alive():
            self._turns.put(False)
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        try:
            content = self._target(self)
        except Stopped:
            return
        except BaseException as error:
            self._reports.put(("error", error))
        else:
            self._reports.put(("end", content))


def flat(reported: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """What is reported without dicts in it: `{"eval": {"loss": 1}}` is `eval/loss`, as Ray Tune names it."""
    values: dict[str, Any] = {}
    for name, value in reported.items():
        values |= flat(value, f"{above}{name}/") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return values


def numeric(reported: Mapping[str, Any]) -> dict[str, float]:
    """The values that are numbers, by their names; others are left out."""
    numbers: dict[str, float] = {}
    for name, value in reported.items():
        with suppress(NotNumeric):
            numbers[str(name)] = as_number(value)
    return numbers
