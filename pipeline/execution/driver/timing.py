"""How time passes in a session: which workers hang, and how fast all of them train."""

import time
from collections.abc import Callable, Collection, Sequence

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
