"""What a study's scheduler knows of the study."""

from pipeline.schedulers import SchedulerContext
from pipeline.study import TuneJob
from pipeline.study.trial_configs import trials_in_all


def scheduler_context(job: TuneJob) -> SchedulerContext:
    """The context for which the scheduler of a study is built."""
    return SchedulerContext(
        space=job.space,
        mode=job.objective.mode,
        epochs=job.budget.epochs,
        trials=trials_in_all(job),
        seed=job.seed,
        objectives=[(one.metric, one.mode) for one in job.objectives] if len(job.objectives) > 1 else (),
    )
