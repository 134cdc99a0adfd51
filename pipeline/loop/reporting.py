"""When a worker reports, and when a trial is over: one rule for real and for simulated workers. It has no clock."""

from dataclasses import dataclass

from pipeline.study import TuneJob

__all__ = ["EpochOutcome", "ReportInterval", "is_over", "report_seconds"]

_SHORTEST_SECONDS = 2.0
_REPORTS_PER_SECOND = 100
"""Reports a second: each takes the driver 1 ms on a fast core; at 5 ms, this many keep it below half a core."""


def report_seconds(workers: int) -> float:
    """How long a worker does not report between two milestones: longer where there are many.

    Args:
        workers: Number of workers.
    """
    return max(_SHORTEST_SECONDS, workers / _REPORTS_PER_SECOND)


def is_over(job: TuneJob, epoch: int, value: float | None = None, *, ended: bool = False) -> bool:
    """Whether a trial is over after an epoch.

    Args:
        job: The study's job.
        epoch: The trial's own epoch.
        value: The objective at that epoch; None leaves the budget's target out.
        ended: Whether the training itself ended: a callback stopped it, or the function returned.
    """
    budget = job.budget
    reached = budget.target is not None and value is not None and job.objective.reaches(value, budget.target)
    return ended or epoch >= budget.epochs or reached


@dataclass(frozen=True, slots=True)
class EpochOutcome:
    """What follows from an epoch.

    Args:
        last: Whether the trial is over.
        due: Whether the worker reports now.
        checkpoint: Whether a checkpoint of this epoch must be in the storage before the report: the trial is over, or
            the scheduler may pause it or hand its weights over.
    """

    last: bool
    due: bool
    checkpoint: bool


class ReportInterval:
    """The epochs that a worker trains between two reports.

    Args:
        job: The study's job.
        epoch: The trial's own epoch at the last report; 0 before the first.
        first: Whether this worker has not reported yet. Its first report follows one epoch, so that the driver learns
            how long an epoch takes.
        workers: Number of workers of the study.
    """

    def __init__(self, job: TuneJob, epoch: int, *, first: bool, workers: int = 1) -> None:
        self._job, self._first, self._seconds = job, first, report_seconds(workers)
        self._milestone = job.scheduler.next_milestone(epoch, job.budget.epochs)

    def compares(self, epoch: int, ended: bool) -> bool:
        """Whether trials are compared at an epoch: at a milestone, and where a trial is over.

        Args:
            epoch: The trial's own epoch, from 1.
            ended: Whether the training itself ended with this epoch.
        """
        return epoch >= self._milestone or is_over(self._job, epoch, ended=ended)

    def after(self, epoch: int, value: float | None, *, seconds: float, ended: bool = False) -> EpochOutcome:
        """What follows from an epoch.

        Args:
            epoch: The trial's own epoch, from 1.
            value: The objective at that epoch; None if it was not validated.
            seconds: Seconds since the interval began.
            ended: Whether the training itself ended with this epoch.
        """
        budget, at_milestone = self._job.budget, epoch >= self._milestone
        last = is_over(self._job, epoch, value, ended=ended)
        # A budget of epochs over all trials is exact only if each epoch is reported.
        late = self._first or seconds >= self._seconds or budget.total_epochs is not None
        decides = at_milestone and self._job.scheduler.leaves_checkpoint(epoch, budget.epochs)
        return EpochOutcome(last=last, due=last or at_milestone or late, checkpoint=last or decides)
