"""How time passes in a session: which workers hang, how fast all of them train, and when rows are written."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from pipeline.engine.limits import report_seconds
from pipeline.engine.messages import FINISH, EpochRow
from pipeline.study import Resources

_MIN_SECONDS = 600.0
_EPOCHS_OF_SILENCE = 20
"""A worker hangs if it is silent for as long as this many of the longest epochs, and at least for `_MIN_SECONDS`."""
_REPORT_SLACK = 2.5
"""A report follows an epoch, the epochs that fit between two reports, and the checkpoint: in such intervals."""


class HangDetection:
    """Measures the time since each worker's last report."""

    def __init__(self, resources: Resources, clock: Callable[[], float] = time.monotonic) -> None:
        self.workers, self._clock = 1, clock
        self._epoch_seconds, self._longest = resources.epoch_seconds, 0.0
        self._reported_at: dict[str, float] = {}

    @property
    def limit(self) -> float | None:
        """Seconds of silence after which a worker counts as hung; None until the duration of an epoch is known."""
        if self._epoch_seconds is not None:
            return self._epoch_seconds + _REPORT_SLACK * report_seconds(self.workers)
        return max(_MIN_SECONDS, _EPOCHS_OF_SILENCE * self._longest) if self._longest else None

    def on_report(self, key: str, rows: Sequence[EpochRow] = ()) -> None:
        """Record a worker's report."""
        self._reported_at[key] = self._clock()
        for row in rows:
            self._longest = max(self._longest, row["seconds_build"] + row["seconds_train"] + row["seconds_evaluate"])

    def hung(self, running: Collection[str]) -> list[str]:
        """The assignments whose workers have been silent for too long."""
        now = self._clock()
        self._reported_at = {key: self._reported_at.get(key, now) for key in running}
        if (limit := self.limit) is None:
            return []
        # The final evaluation is no epoch: a limit that the user sets for epochs does not apply to it.
        limits = {FINISH: max(limit, _MIN_SECONDS)}
        return [key for key, moment in self._reported_at.items() if now - moment > limits.get(key, limit)]

    def silence(self, key: str) -> float:
        """The seconds since a worker's last report."""
        return self._clock() - self._reported_at.get(key, self._clock())


_MIN_FLUSH_SECONDS, _MAX_FLUSH_SECONDS, _OVERDUE_SECONDS = 1.0, 30.0, 300.0
_INTERVALS_IN_SESSION, _COST_FACTOR = 50, 50.0


class FlushTiming:
    """When rows are written: often at first, so that a study's first epochs can be read soon, later twice a minute.

    A flush waits for a 50th of the session, from 1 to 30 seconds, and for 50 times what the last one took, as in a
    study of many trials. It waits at most five minutes: rows that are not written are lost with the driver.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = self._flushed = clock()
        self._cost = 0.0

    @property
    def due(self) -> bool:
        """Whether a flush is due."""
        now = self._clock()
        interval = min(max(_MIN_FLUSH_SECONDS, (now - self._started) / _INTERVALS_IN_SESSION), _MAX_FLUSH_SECONDS)
        return now - self._flushed >= min(max(interval, _COST_FACTOR * self._cost), _OVERDUE_SECONDS)

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """Measure all that a flush writes and deletes, and count from its end on."""
        started = self._clock()
        yield
        self._flushed = self._clock()
        self._cost = self._flushed - started
