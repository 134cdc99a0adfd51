"""Which workers hang: they hold a trial and have told nothing for longer than an epoch may take."""

import time
from collections.abc import Callable, Collection

from pipeline.course.messages import FINISH, REPORT_SECONDS, EpochRow
from pipeline.study import Resources

__all__ = ["Watch"]

_LEAST_SECONDS = 600.0
_TIMES = 20
_REPORT_SLACK = 2.5 * REPORT_SECONDS
"""A report comes after an epoch, as many more as fit into the time between two, and the checkpoint."""


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

    def hear(self, key: str, rows: Collection[EpochRow] = ()) -> None:
        """The worker of an assignment, known by its key, has told something."""
        self._heard[key] = self._clock()
        for row in rows:
            self._longest = max(self._longest, row.seconds_build + row.seconds_train + row.seconds_evaluate)

    def silent(self, running: Collection[str]) -> list[str]:
        """Whose worker has been silent for too long.

        Args:
            running: The keys of all assignments that have a worker now. Silence counts from the first call with a key.
        """
        now = self._clock()
        self._heard = {key: self._heard.get(key, now) for key in running}
        if (limit := self.limit) is None:
            return []
        # Exporting and testing the winner is no epoch: a limit that was given for epochs is not meant for it.
        limits = {FINISH: max(limit, _LEAST_SECONDS)}
        return [key for key, heard in self._heard.items() if now - heard > limits.get(key, limit)]

    def silence(self, key: str) -> float:
        """Seconds since a worker told something."""
        return self._clock() - self._heard.get(key, self._clock())
