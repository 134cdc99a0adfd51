"""When a study is over before all its trials are drawn: its budget, its target, or trials that all fail alike."""

from collections.abc import Iterable

from pipeline.course.trial import Trial
from pipeline.study import TuneJob

__all__ = ["alike", "spent"]


def spent(job: TuneJob, *, seconds: float, epochs: int, best: float | None) -> str | None:
    """Which limit is reached, in words; None as long as none is.

    Args:
        job: The study's job.
        seconds: Seconds a driver was alive.
        epochs: Epochs trained over all trials.
        best: The best value so far.
    """
    budget = job.budget
    if budget.seconds is not None and seconds >= budget.seconds:
        return f"The study's budget of {budget.seconds:g} seconds is spent."
    if budget.total_epochs is not None and epochs >= budget.total_epochs:
        return f"The study's budget of {budget.total_epochs} epochs is spent."
    if budget.target is not None and best is not None and job.objective.reaches(best, budget.target):
        return f"The target of {budget.target:g} is reached: {best:g}."
    return None


def alike(job: TuneJob, trials: Iterable[Trial]) -> str | None:
    """Whether every trial that ended failed with the same error, often enough to give up; in words.

    Args:
        job: The study's job.
        trials: All trials.
    """
    ended = [trial for trial in trials if not trial.live]
    errors = {trial.error for trial in ended}
    if len(ended) < job.budget.max_failed_trials or len(errors) > 1 or None in errors:
        return None
    return f"The first {len(ended)} trials failed alike: {errors.pop()}"
