"""When a worker reports, when a trial ends, and what ends a study. It has no clock.

One rule serves real and simulated workers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from pipeline.engine.messages import EpochRow, violation_in
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.study import TuneJob
from pipeline.text import counted, format_number, hide_numbers

_MIN_SECONDS = 2.0
_REPORTS_PER_SECOND = 100
"""Reports a second: each takes the driver 1 ms on a fast core; at 5 ms, this many keep it below half a core."""

_GIVEN_UP = "TrialPruned:"
"""The error with which an objective of Optuna gives a config up: it says nothing about other trials."""


def report_seconds(workers: int) -> float:
    """How long a worker does not report between two milestones: longer where there are many."""
    return max(_MIN_SECONDS, workers / _REPORTS_PER_SECOND)


@dataclass(frozen=True, slots=True)
class EpochOutcome:
    """What follows from an epoch: the trial ends, a report is due, a checkpoint is needed for a decision."""

    last: bool
    due: bool
    checkpoint: bool


TRAINING_ENDED = EpochOutcome(last=True, due=True, checkpoint=True)
"""What follows where the training ends before an epoch begins."""


class ReportInterval:
    """The epochs that a worker trains between two reports."""

    def __init__(self, job: TuneJob, epoch: int, *, first: bool, workers: int = 1) -> None:
        self._job, self._first, self._seconds = job, first, report_seconds(workers)
        self._milestone = job.scheduler.next_milestone(epoch, job.budget.epochs)

    def after(self, row: EpochRow, *, seconds: float, ended: bool = False) -> EpochOutcome:
        """What follows from an epoch, which ended these seconds after the last report."""
        job, budget, epoch = self._job, self._job.budget, row["epoch"]
        value, violation = row["metrics"].get(job.objective.metric), violation_in(row, job.objectives)
        at_milestone = epoch >= self._milestone
        last = ended or epoch >= budget.epochs or budget.target_reached(job.objective, value, violation)
        # A budget of epochs over all trials is exact only if each epoch is reported.
        late = self._first or seconds >= self._seconds or budget.total_epochs is not None
        # A trial may be paused or copied at a milestone.
        decides = at_milestone and (job.scheduler.pauses or job.scheduler.exploits)
        return EpochOutcome(last=last, due=last or at_milestone or late, checkpoint=last or decides)


def exhausted_budget(job: TuneJob, *, seconds: float, epochs: int, best: BestEpoch | None) -> str | None:
    """The limit that is reached, in words; None if none is."""
    budget = job.budget
    if budget.seconds is not None and seconds >= budget.seconds:
        return f"The study's budget of {format_number(budget.seconds)} s is spent."
    if budget.total_epochs is not None and epochs >= budget.total_epochs:
        return f"The study's budget of {counted(budget.total_epochs, 'epoch')} is spent."
    if best is not None and budget.target_reached(job.objective, best.value, best.violation):
        return f"The target of {budget.target:g} is reached: {best.value:g}."
    return None


def common_failure(job: TuneJob, trials: Iterable[Trial]) -> str | None:
    """The error of the first trials, if they are enough to end the study, in words; else None.

    The first `max_failed_trials` trials in the order of their draw count, not the first that end: failures often end
    first. A trial that has trained an epoch, and has not failed in the same way, shows that not all trials fail.
    """
    rest = iter(trials)
    first = list(islice(rest, job.budget.max_failed_trials))
    error = first[0].error if first else None
    if len(first) < job.budget.max_failed_trials or any(not _failed(trial, error) for trial in first):
        return None
    if (error or "").startswith(_GIVEN_UP):
        return None
    if any(trial.epoch and not _failed(trial, error) for trial in rest):
        return None
    return f"The first {counted(len(first), 'trial')} failed with the same error: {error}"


def _failed(trial: Trial, error: str | None) -> bool:
    return trial.state == "failed" and hide_numbers(trial.error or "") == hide_numbers(error or "")
