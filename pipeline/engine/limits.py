"""What ends a study before all its trials are drawn: its budget, its target, or the same error in all trials."""

import math
from collections.abc import Iterable, Sequence
from itertools import islice

from pipeline.engine.trial import BestEpoch, Trial
from pipeline.study import TuneJob
from pipeline.text import counted, format_number, hide_numbers

_GIVEN_UP = "TrialPruned:"
"""The error with which an objective of Optuna gives a config up: it says nothing about other trials."""


def target_reached(job: TuneJob, best: BestEpoch | None) -> bool:
    """Whether an epoch reaches the study's target."""
    return best is not None and job.budget.target_reached(job.objective, best.value, best.violation)


def exhausted_budget(job: TuneJob, *, seconds: float, epochs: int, best: BestEpoch | None) -> str | None:
    """The limit that is reached, in words; None if none is."""
    budget = job.budget
    if budget.seconds is not None and seconds >= budget.seconds:
        return f"The study's budget of {format_number(budget.seconds)} seconds is spent."
    if budget.total_epochs is not None and epochs >= budget.total_epochs:
        return f"The study's budget of {counted(budget.total_epochs, 'epoch')} is spent."
    if best is not None and target_reached(job, best):
        return f"The target of {budget.target:g} is reached: {best.value:g}."
    return None


def options_to_continue(
    job: TuneJob, *, drawn: int, seconds: float, epochs: int, best: BestEpoch | None
) -> Sequence[str]:
    """Options of `tunepipe resume` that raise each limit that a study has reached, so that another trial trains.

    Without such a limit, as where every config was tried, they allow another trial.
    """
    budget, options = job.budget, []
    if drawn >= budget.trials:
        options.append(f"--trials {drawn + 1}")
    if budget.total_epochs is not None and epochs >= budget.total_epochs:
        options.append(f"--total-epochs {epochs + budget.epochs}")
    if budget.seconds is not None and seconds >= budget.seconds:
        options.append(f"--seconds {math.ceil(seconds + budget.seconds)}")
    if target_reached(job, best):
        options.append("--set budget.target=VALUE")
    return options or [f"--trials {budget.trials + 1}"]


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
