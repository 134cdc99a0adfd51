"""When rows are written: often at first, so that a study's first epochs can be read soon, later twice a minute.

A study of days then has thousands of parts and not millions. Where a flush takes long, as in a study of many trials,
the next one waits longer, so that flushes take at most a hundredth of a long study's time, its first minutes included.
It waits at most five minutes: rows that are not written are lost with the driver, and if each new row takes more than
its share of the time, a longer interval does not help.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_MIN_SECONDS, _MAX_SECONDS = 1.0, 30.0
_INTERVALS_IN_SESSION = 50
_MIN_FACTOR, _MAX_FACTOR = 10.0, 150.0
"""A flush waits for this multiple of the duration of the last one: the age of the session then, within these limits."""
_OVERDUE_SECONDS = 300.0


class FlushTiming:
    """Measures the time since the last flush."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = self._flushed = clock()
        self._cost = 0.0

    @property
    def due(self) -> bool:
        """Whether a flush is due: after a 50th of the session, from 1 to 30 seconds, or a multiple of the last one.

        After 300 seconds it is due in any case.
        """
        now = self._clock()
        session = now - self._started
        interval = min(max(_MIN_SECONDS, session / _INTERVALS_IN_SESSION), _MAX_SECONDS)
        # The time of the last flush counts: with the current time, the next flush would be put off as time passes.
        factor = min(max(_MIN_FACTOR, self._flushed - self._started), _MAX_FACTOR)
        return now - self._flushed >= min(max(interval, factor * self._cost), _OVERDUE_SECONDS)

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Measure all that a flush writes and deletes, and count from its end on."""
        started = self._clock()
        yield
        self._flushed = self._clock()
        self._cost = self._flushed - started
