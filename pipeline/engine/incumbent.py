"""The study's best trial: never a failed one, within the objectives' bounds if one is, and else by its value."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.engine.messages import EpochRow
from pipeline.engine.objective_values import values_in, violation_in
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.study import Objective
from pipeline.study.ranking import RankingKey, ranking_key


def rank(trial: Trial, objective: Objective) -> RankingKey:
    """A trial's key in the order of `pipeline.study.ranking`: the best first."""
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
    """Whether an epoch is better than the best of its trial so far."""
    if than[1] is None or violation != than[0]:
        return than[1] is None or violation < than[0]
    return objective.better(value, than[1])


@dataclass(slots=True)
class _Replaced:
    """What another attempt replaces: the best epoch so far, the best one without what it replaces, the last epoch."""

    before: BestEpoch
    best: BestEpoch
    until: int


class Incumbent:
    """Keeps the best of the trials that it has seen."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives, self._objective = objectives, objectives[0]
        self._records = len(objectives) > 1 or self._objective.bounded
        self._replaced: dict[str, _Replaced] = {}
        """Trials of which another attempt trains epochs again."""
        self.best: Trial | None = None

    def record(self, trial: Trial, rows: Sequence[EpochRow]) -> bool:
        """Update a trial's last value and best value, and the study's best trial.

        Epochs that are reported again, by another attempt, replace those of the attempt before, as in the tables.
        """
        before = _best_of(trial)
        if trial.segment > 1 and trial.epoch == trial.segment_start:
            trial.earlier_best = before
        if rows and trial.segment_start + 1 == rows[0].epoch <= trial.epoch:
            outlives = before.epoch <= trial.segment_start
            rest = before if outlives else trial.earlier_best or BestEpoch()
            self._replaced[trial.trial_id] = _Replaced(before, rest, trial.epoch)
        for row in rows:
            value = row.metrics.get(self._objective.metric)
            trial.value = value
            replaced = self._replaced.get(trial.trial_id)
            if replaced is not None:
                _set_best(trial, replaced.best)
            if value is not None and math.isfinite(value):
                violation = violation_in(row, self._objectives)
                if better_epoch(self._objective, violation, value, than=(trial.violation, trial.best)):
                    values = values_in(row, self._objectives) if self._records else ()
                    _set_best(trial, BestEpoch(value, row.epoch, violation, values, trial.config))
            if replaced is not None:
                replaced.best = _best_of(trial)
                # A later epoch of the attempt before counts until it is reported again.
                if replaced.before.epoch > row.epoch and self._better(replaced.before, replaced.best):
                    _set_best(trial, replaced.before)
                if row.epoch >= replaced.until:
                    del self._replaced[trial.trial_id]
        self.compare(trial)
        now = _best_of(trial)
        return trial is self.best and now != before and not self._better(now, before)

    def _better(self, one: BestEpoch, other: BestEpoch) -> bool:
        if one.value is None:
            return False
        return better_epoch(self._objective, one.violation, one.value, than=(other.violation, other.value))

    def compare(self, trial: Trial) -> None:
        """Make a trial the best if it is better than the best so far."""
        if trial.best is None or trial.state == "failed" or trial is self.best:
            return
        if self.best is None or rank(trial, self._objective) < rank(self.best, self._objective):
            self.best = trial

    def reconsider(self, trials: Iterable[Trial]) -> None:
        """Find the best trial again, after the best one has failed or become worse."""
        self.best = None
        for trial in trials:
            self.compare(trial)


def _best_of(trial: Trial) -> BestEpoch:
    return BestEpoch(trial.best, trial.best_epoch, trial.violation, trial.best_values, trial.best_config)


def _set_best(trial: Trial, best: BestEpoch) -> None:
    trial.best, trial.best_epoch, trial.violation = best.value, best.epoch, best.violation
    trial.best_values, trial.best_config = best.values, best.config
