"""Which trial is the study's best: never a failed one; ties go to the earlier epoch, then to the lower trial id."""

import math
from collections.abc import Iterable

from pipeline.course.messages import EpochRow
from pipeline.course.trial import Trial
from pipeline.study import Objective

__all__ = ["Standing"]


class Standing:
    """Keeps the best of the trials that it was told of.

    Args:
        objective: What best means.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self.best: Trial | None = None

    def record(self, trial: Trial, rows: Iterable[EpochRow]) -> None:
        """Take a trial's new epochs into account: its last value, its best, and the study's."""
        for row in rows:
            value = row.metrics.get(self._objective.metric)
            trial.value = value
            if value is not None and math.isfinite(value) and self._objective.better(value, trial.best):
                trial.best, trial.best_epoch, trial.best_config = value, row.epoch, trial.config
        self.compare(trial)

    def compare(self, trial: Trial) -> None:
        """Let a trial be the best if it is."""
        if trial.best is None or trial.state == "failed" or trial is self.best:
            return
        best = self.best
        tied = best is not None and best.best == trial.best
        earlier = best is not None and (trial.best_epoch, trial.trial_id) < (best.best_epoch, best.trial_id)
        if (tied and earlier) or self._objective.better(trial.best, best.best if best else None):
            self.best = trial

    def reconsider(self, trials: Iterable[Trial]) -> None:
        """Find the best anew: the one that was has failed."""
        self.best = None
        for trial in trials:
            self.compare(trial)
