"""Which workers hang: they have a trial and have not reported for longer than an epoch may take."""

import time
from collections.abc import Callable, Collection

from pipeline.engine.messages import FINISH, EpochRow
from pipeline.engine.reporting import report_seconds
from pipeline.study import Resources

_MIN_SECONDS = 600.0
_EPOCHS_OF_SILENCE = 20
"""A worker hangs if it is silent for as long as this many of the longest epochs, and at least for `_MIN_SECONDS`."""
_MIN_SECONDS_TO_FINISH = 3600.0
"""The code of a function after its last step is not an epoch: it may be a test, or an upload."""
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
        self._workers = workers
        self._epoch_seconds, self._clock = resources.epoch_seconds, clock
        self._longest = 0.0
        self._reported_at: dict[str, float] = {}
        self._finishing: set[str] = set()

    @property
    def limit(self) -> float | None:
        """Seconds of silence after which a worker counts as hung; None until the duration of an epoch is known."""
        if self._epoch_seconds is not None:
            return self._epoch_seconds + _REPORT_SLACK * report_seconds(self._workers())
        return max(_MIN_SECONDS, _EPOCHS_OF_SILENCE * self._longest) if self._longest else None

    def on_report(self, key: str, rows: Collection[EpochRow] = (), *, finishing: bool = False) -> None:
        """Record a worker's report."""
        self._reported_at[key] = self._clock()
        (self._finishing.add if finishing else self._finishing.discard)(key)
        for row in rows:
            self._longest = max(self._longest, row.seconds_build + row.seconds_train + row.seconds_evaluate)

    def hung(self, running: Collection[str]) -> list[str]:
        """The assignments whose workers have been silent for too long."""
        now = self._clock()
        self._reported_at = {key: self._reported_at.get(key, now) for key in running}
        self._finishing.intersection_update(running)
        if (limit := self.limit) is None:
            return []
        # These are no epochs: a limit that the user sets for epochs does not apply to them.
        limits = {FINISH: max(limit, _MIN_SECONDS)}
        limits |= dict.fromkeys(self._finishing, max(limit, _MIN_SECONDS_TO_FINISH))
        return [key for key, moment in self._reported_at.items() if now - moment > limits.get(key, limit)]

    def silence(self, key: str) -> float:
        """The seconds since a worker's last report."""
        return self._clock() - self._reported_at.get(key, self._clock())
