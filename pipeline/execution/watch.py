"""Which workers hang: they hold a trial and have told nothing for longer than an epoch may take."""

import time
from collections.abc import Callable, Collection

from pipeline.course.messages import EpochRow
from pipeline.study import Resources

__all__ = ["Watch"]

_LEAST_SECONDS = 600.0
_TIMES = 20
_REPORT_SLACK = 5.0
"""A report comes after an epoch, up to two seconds of them, and the checkpoint."""


class Watch:
    """Measures silence.

    Args:
        resources: What one trial gets: the limit, where one is set.
        clock: Seconds that never go back.
    """

    def __init__(self, resources: Resources, clock: Callable[[], float] = time.monotonic) -> None:
        self._given, self._clock = resources.epoch_seconds, clock
        self._longest = 0.0
        self._heard: dict[str, float] = {}

    @property
    def limit(self) -> float | None:
        """Seconds of silence after which a worker is taken for hung; None as long as no epoch is known."""
        if self._given is not None:
            return self._given + _REPORT_SLACK
        return max(_LEAST_SECONDS, _TIMES * self._longest) if self._longest else None

    def hear(self, trial_id: str, rows: Collection[EpochRow] = ()) -> None:
        """A trial's worker has told something."""
        self._heard[trial_id] = self._clock()
        for row in rows:
            self._longest = max(self._longest, row.seconds_build + row.seconds_train + row.seconds_evaluate)

    def silent(self, running: Collection[str]) -> list[str]:
        """Which of the trials that have a worker have been silent for too long.

        Args:
            running: Every trial that has a worker now. Silence counts from the first call that names it.
        """
        now = self._clock()
        self._heard = {trial_id: self._heard.get(trial_id, now) for trial_id in running}
        limit = self.limit
        return [] if limit is None else [trial_id for trial_id, heard in self._heard.items() if now - heard > limit]

    def silence(self, trial_id: str) -> float:
        """Seconds since a trial's worker told something."""
        return self._clock() - self._heard.get(trial_id, self._clock())
