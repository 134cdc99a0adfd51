"""When a study is over before all its trials are drawn: its budget, its target, or trials that all fail alike."""

from collections.abc import Iterable, Sequence

from pipeline.execution.trial import Trial
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


def alike(job: TuneJob, trials: Iterable[Trial], errors: Sequence[str]) -> str | None:
    """Whether every trial that ended failed with the same error, often enough to give up; in words.

    Args:
        job: The study's job.
        trials: All trials.
        errors: The first line of each failed trial's error, in order.
    """
    ended = [trial for trial in trials if not trial.live]
    all_failed = all(trial.state == "failed" for trial in ended)
    if not all_failed or len(ended) < job.budget.max_failed_trials or len(set(errors)) > 1:
        return None
    return f"The first {len(ended)} trials failed alike: {errors[0]}"
