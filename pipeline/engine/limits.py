"""What ends a study: its budget, its target, or the same error in all trials; and how long that still takes."""

from collections.abc import Iterable, Sequence
from itertools import islice

from pipeline.engine.trial import BestEpoch, Trial
from pipeline.study import Budget, TuneJob
from pipeline.text import counted, format_number, hide_numbers

_GIVEN_UP = "TrialPruned:"
"""The error with which an objective of Optuna gives a config up: it says nothing about other trials."""


def exhausted_budget(job: TuneJob, *, seconds: float, epochs: int, best: BestEpoch | None) -> str | None:
    """The limit that is reached, in words; None if none is."""
    budget = job.budget
    if budget.seconds is not None and seconds >= budget.seconds:
        return f"The study's budget of {format_number(budget.seconds)} seconds is spent."
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
    return f"The first {len(first)} trials failed with the same error: {error}"


def _failed(trial: Trial, error: str | None) -> bool:
    return trial.state == "failed" and hide_numbers(trial.error or "") == hide_numbers(error or "")


def seconds_left(
    budget: Budget,
    *,
    rate: float | None,
    ended: Sequence[int],
    live: Sequence[int],
    limit: int,
    seconds: float,
) -> float | None:
    """An estimate of the seconds until a study ends, at most what its budget leaves."""
    bounds: list[float] = []
    if rate:
        # Trials are expected to train as many epochs as those that have ended.
        each = sum(ended) / len(ended) if ended else budget.epochs
        begun = sum(max(each - epochs, 0) for epochs in live)
        bounds.append((begun + each * max(limit - len(ended) - len(live), 0)) / rate)
        if budget.total_epochs is not None:
            bounds.append((budget.total_epochs - sum(ended) - sum(live)) / rate)
    if budget.seconds is not None:
        bounds.append(budget.seconds - seconds)
    return max(min(bounds), 0.0) if bounds else None
