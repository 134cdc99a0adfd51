"""When rows are written: often at first, so that a study's first epochs can be read soon, later twice a minute.

A study of days then has thousands of parts and not millions. Where a flush takes long, as in a study of many trials,
the next one waits longer, so that flushes take at most a hundredth of a long study's time, its first minutes included.
It waits at most five minutes: rows that are not written are lost with the driver, and if each new row takes more than
its share of the time, a longer interval does not help.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["FlushTiming"]

_SHORTEST, _LONGEST = 1.0, 30.0
_PARTS_OF_SESSION = 50
_LEAST_TIMES, _MOST_TIMES, _SECONDS_PER_TIME = 10, 150, 1.0
"""A flush waits for 10 times the last one's duration in the first 10 seconds, and for 150 times after 150 seconds."""
_LIMIT = 300.0


class FlushTiming:
    """Measures the time since the last flush.

    Args:
        clock: Seconds that never go back.
    """

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
        interval = min(max(_SHORTEST, session / _PARTS_OF_SESSION), _LONGEST)
        # By the time of the last flush: by that of now, a flush of a second would put off the next one as time passes.
        times = min(max(_LEAST_TIMES, (self._flushed - self._started) / _SECONDS_PER_TIME), _MOST_TIMES)
        return now - self._flushed >= min(max(interval, times * self._cost), _LIMIT)

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Measure all that a flush writes and deletes, and count from its end on."""
        started = self._clock()
        yield
        self._flushed = self._clock()
        self._cost = self._flushed - started
