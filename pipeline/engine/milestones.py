"""The milestones in a report: the values that searchers learn from, and the scheduler's decision on them."""

import math

from pipeline.engine.messages import ProgressReport
from pipeline.engine.objective_values import objective_values_of, values_in
from pipeline.engine.trial import Trial
from pipeline.schedulers import Decision, Scheduler
from pipeline.study import TuneJob


def record_milestones(job: TuneJob, trial: Trial, report: ProgressReport) -> None:
    """Keep a trial's values at milestones and at its end. A milestone that is reported again changes nothing.

    Later segments are left out: they continue with weights that another config trained.
    """
    if trial.segment > 1:
        return
    several = len(job.objectives) > 1 or job.objective.bounded
    for row in report.rows:
        value = row.metrics.get(job.objective.metric)
        at_end = report.last and row.epoch == report.epoch
        if value is not None and math.isfinite(value) and (at_end or _is_milestone(job, row.epoch)):
            trial.milestones.setdefault(row.epoch, value)
            if several:
                trial.measures.setdefault(row.epoch, values_in(row, job.objectives))


def decision_at_milestones(job: TuneJob, scheduler: Scheduler, trial: Trial, report: ProgressReport) -> Decision:
    """The scheduler's decision on the milestones of a report: after a restart there may be several."""
    decision = Decision("continue", "Between two milestones.")
    for row in report.rows:
        value = row.metrics.get(job.objective.metric)
        # With another budget of epochs, a milestone may be an epoch that was none when it was trained.
        if value is not None and _is_milestone(job, row.epoch):
            values = objective_values_of(values_in(row, job.objectives), job.objectives)
            decision = scheduler.on_objective_values(trial.trial_id, row.epoch, value, values)
        if decision.action != "continue":
            break
    return decision


def _is_milestone(job: TuneJob, epoch: int) -> bool:
    return job.scheduler.next_milestone(epoch - 1, job.budget.epochs) == epoch
