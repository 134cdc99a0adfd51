"""The study's best trial: never a failed one, within the objectives' bounds if one is, and else by its value."""

import math
from collections.abc import Iterable, Sequence

from pipeline.loop.messages import EpochRow
from pipeline.loop.objective_values import values_in, violation_in
from pipeline.loop.trial import Trial
from pipeline.study import Objective
from pipeline.study.ranking import RankingKey, ranking_key

__all__ = ["Incumbent", "better_epoch", "rank"]


def rank(trial: Trial, objective: Objective) -> RankingKey:
    """A trial's key in the order of `pipeline.study.ranking`: the best first.

    Args:
        trial: The trial.
        objective: The study's first objective.

    Returns:
        A key that sorts before the keys of worse trials.
    """
    failed = trial.state == "failed"
    return ranking_key(
        trial.trial_id,
        trial.best,
        trial.best_epoch,
        failed=failed,
        mode=objective.mode,
        violation=trial.violation,
    )


def better_epoch(objective: Objective, violation: float, value: float, *, than: tuple[float, float | None]) -> bool:
    """Whether an epoch is better than the best of its trial so far.

    Args:
        objective: The study's first objective.
        violation: How far it is beyond the bounds of all objectives.
        value: Its value.
        than: The same of the best epoch; its value is None if there is none.
    """
    if than[1] is None or violation != than[0]:
        return than[1] is None or violation < than[0]
    return objective.better(value, than[1])


class Incumbent:
    """Keeps the best of the trials that it has seen.

    Args:
        objectives: The study's objectives: trials are compared by the bounds of all, and by the values of the first.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives, self._objective = objectives, objectives[0]
        self._records = len(objectives) > 1 or self._objective.bounded
        self.best: Trial | None = None

    def record(self, trial: Trial, rows: Iterable[EpochRow]) -> None:
        """Update a trial's last value and best value, and the study's best trial.

        Args:
            trial: The trial.
            rows: Its new epochs.
        """
        for row in rows:
            value = row.metrics.get(self._objective.metric)
            trial.value = value
            if value is None or not math.isfinite(value):
                continue
            violation = violation_in(row, self._objectives)
            if better_epoch(self._objective, violation, value, than=(trial.violation, trial.best)):
                trial.best, trial.best_epoch, trial.best_config = value, row.epoch, trial.config
                trial.violation = violation
                if self._records:
                    trial.best_values = values_in(row, self._objectives)
        self.compare(trial)

    def compare(self, trial: Trial) -> None:
        """Make a trial the best if it is better than the best so far.

        Args:
            trial: The trial.
        """
        if trial.best is None or trial.state == "failed" or trial is self.best:
            return
        if self.best is None or rank(trial, self._objective) < rank(self.best, self._objective):
            self.best = trial

    def reconsider(self, trials: Iterable[Trial]) -> None:
        """Find the best trial again, after the best one has failed.

        Args:
            trials: All trials of the study.
        """
        self.best = None
        for trial in trials:
            self.compare(trial)
