"""What ends a study before all its trials are drawn: its budget, its target, or the same error in all trials."""

from collections.abc import Iterable
from itertools import islice

from pipeline.loop.trial import Trial
from pipeline.study import TuneJob
from pipeline.wording import counted

__all__ = ["common_failure", "exhausted_budget"]


def exhausted_budget(job: TuneJob, *, seconds: float, epochs: int, best: Trial | None) -> str | None:
    """The limit that is reached, in words; None if none is.

    Args:
        job: The study's job.
        seconds: Seconds during which a driver was alive.
        epochs: Epochs trained, summed over all trials.
        best: The study's best trial; None if there is none yet.
    """
    budget = job.budget
    if budget.seconds is not None and seconds >= budget.seconds:
        return f"The study's budget of {budget.seconds:g} seconds is spent."
    if budget.total_epochs is not None and epochs >= budget.total_epochs:
        return f"The study's budget of {counted(budget.total_epochs, 'epoch')} is spent."
    if best is not None and budget.target_reached(job.objective, best.best, best.violation):
        return f"The target of {budget.target:g} is reached: {best.best:g}."
    return None


def common_failure(job: TuneJob, trials: Iterable[Trial]) -> str | None:
    """The error of the first trials, if they are enough to end the study, in words; else None.

    The first `max_failed_trials` trials in the order of their draw count, not the first that end: failures often end
    first. A trial that has trained an epoch, and has not failed in the same way, shows that not all trials fail.

    Args:
        job: The study's job.
        trials: All trials, in the order of their draw.
    """
    rest = iter(trials)
    first = list(islice(rest, job.budget.max_failed_trials))
    error = first[0].error if first else None
    if len(first) < job.budget.max_failed_trials or any(not _failed(trial, error) for trial in first):
        return None
    if any(trial.epoch and not _failed(trial, error) for trial in rest):
        return None
    return f"The first {len(first)} trials failed with the same error: {error}"


def _failed(trial: Trial, error: str | None) -> bool:
    return trial.state == "failed" and trial.error == error
