"""When a worker reports, and when a trial is over: one rule for real and for simulated workers. It has no clock."""

from dataclasses import dataclass

from pipeline.engine.messages import EpochRow, violation_in
from pipeline.study import Budget, TuneJob

_MIN_SECONDS = 2.0
_REPORTS_PER_SECOND = 100
"""Reports a second: each takes the driver 1 ms on a fast core; at 5 ms, this many keep it below half a core."""


def report_seconds(workers: int) -> float:
    """How long a worker does not report between two milestones: longer where there are many."""
    return max(_MIN_SECONDS, workers / _REPORTS_PER_SECOND)


def is_over(budget: Budget, epoch: int, *, reached: bool = False, ended: bool = False) -> bool:
    """Whether a trial is over after an epoch."""
    return ended or epoch >= budget.epochs or reached


@dataclass(frozen=True, slots=True)
class EpochOutcome:
    """What follows from an epoch: the trial is over, a report is due, a checkpoint is needed for a decision."""

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
        last = is_over(budget, epoch, reached=budget.target_reached(job.objective, value, violation), ended=ended)
        # A budget of epochs over all trials is exact only if each epoch is reported.
        late = self._first or seconds >= self._seconds or budget.total_epochs is not None
        decides = at_milestone and job.scheduler.leaves_checkpoint(epoch, budget.epochs)
        return EpochOutcome(last=last, due=last or at_milestone or late, checkpoint=last or decides)
