"""How time passes in a session: which workers hang, how fast all of them train, and when rows are written."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from pipeline.engine.messages import FINISH, EpochRow
from pipeline.engine.reporting import report_seconds
from pipeline.study import Resources

_MIN_SECONDS = 600.0
_EPOCHS_OF_SILENCE = 20
"""A worker hangs if it is silent for as long as this many of the longest epochs, and at least for `_MIN_SECONDS`."""
_REPORT_SLACK = 2.5
"""A report follows an epoch, the epochs that fit between two reports, and the checkpoint: in such intervals."""


class HangDetection:
    """Measures the time since each worker's last report."""

    def __init__(
        self,
        resources: Resources,
        clock: Callable[[], float] = time.monotonic,
        *,
        workers: Callable[[], int] = lambda: 1,
    ) -> None:
        self._workers, self._clock = workers, clock
        self._epoch_seconds, self._longest = resources.epoch_seconds, 0.0
        self._reported_at: dict[str, float] = {}

    @property
    def limit(self) -> float | None:
        """Seconds of silence after which a worker counts as hung; None until the duration of an epoch is known."""
        if self._epoch_seconds is not None:
            return self._epoch_seconds + _REPORT_SLACK * report_seconds(self._workers())
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


class TrainingRate:
    """Epochs a second between the reports of a session.

    The epochs of the first report, and of the first one after a pause, do not count: when they began is not known.
    """

    def __init__(self) -> None:
        self._epochs = self._intervals = 0
        self._seconds = 0.0
        self._last: float | None = None

    @property
    def per_second(self) -> float | None:
        """Epochs that all workers train in a second, on average; None before the second report."""
        return self._epochs / self._seconds if self._seconds > 0 else None

    def on_report(self, epochs: int, now: float) -> None:
        """Record a report."""
        if not epochs:
            return
        if self._last is not None:
            self._epochs += epochs
            self._intervals += 1
            self._seconds += now - self._last
        self._last = now

    def pause(self) -> None:
        """Leave out the time until the next report."""
        self._last = None

    def waited(self, now: float) -> float:
        """The seconds since the last report, at most the average time between two: then one is overdue."""
        if self._last is None or not self._intervals:
            return 0.0
        return min(now - self._last, self._seconds / self._intervals)


_MIN_FLUSH_SECONDS, _MAX_FLUSH_SECONDS = 1.0, 30.0
_INTERVALS_IN_SESSION = 50
_MIN_FACTOR, _MAX_FACTOR = 10.0, 150.0
"""A flush waits for this multiple of the duration of the last one: the age of the session then, within these limits."""
_OVERDUE_SECONDS = 300.0


class FlushTiming:
    """When rows are written: often at first, so that a study's first epochs can be read soon, later twice a minute.

    A study of days then has thousands of parts and not millions. Where a flush takes long, as in a study of many
    trials, the next one waits longer, so that flushes take at most a hundredth of a long study's time, its first
    minutes included. It waits at most five minutes: rows that are not written are lost with the driver, and if each new
    row takes more than its share of the time, a longer interval does not help.
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
        interval = min(max(_MIN_FLUSH_SECONDS, session / _INTERVALS_IN_SESSION), _MAX_FLUSH_SECONDS)
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
