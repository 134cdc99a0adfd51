"""Rules between a job's fields. A rule is applied only if the fields that it concerns are valid by themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeAlias

from pipeline.errors import Fault
from pipeline.searchers import SEARCHERS
from pipeline.space import conflicts, flat
from pipeline.space.column_values import listed_values
from pipeline.study.callables import as_function
from pipeline.study.field_names import unknown
from pipeline.study.job_fields import JobFields
from pipeline.study.signature import takes_hyperparameters, takes_state
from pipeline.study.trial_configs import start_faults

_Rule: TypeAlias = "Callable[[JobFields], Iterator[Fault]]"


def broken_rules(job: JobFields, invalid: Collection[str] = ()) -> list[Fault]:
    """The faults of a job's fields together."""
    return [fault for rule, fields in _RULES.items() if not fields & set(invalid) for fault in rule(job)]


def _one_kind_of_training(job: JobFields) -> Iterator[Fault]:
    if job.model is None and job.function is None:
        yield Fault("model", None, "must be given, unless function is")
    if job.model is not None and job.function is not None:
        yield Fault("function", job.function.__name__, "must not be combined with model")


def _functions_take_the_config(job: JobFields) -> Iterator[Fault]:
    for field in ("model", "function"):
        function = getattr(job, field)
        # The parameters of a stored function that is not loaded are unknown.
        if as_function(function) is not None and takes_hyperparameters(function, flat(job.space)):
            allowed = (
                f"must take the config, a dictionary, as its only argument: {field}=lambda config: "
                f"{function.__name__}(**config)"
            )
            yield Fault(field, f"{function.__name__}{inspect.signature(function)}", allowed)


def _data_for_a_model(job: JobFields) -> Iterator[Fault]:
    if job.model is not None and job.data is None:
        yield Fault("data", None, "must be given for a model: a data set's name, a function or a Parquet file's path")
    if job.model is None and job.function is not None and job.data is not None:
        yield Fault("data", job.data, "must not be given for a function: it reads what it needs by itself")


def _callbacks_for_a_model(job: JobFields) -> Iterator[Fault]:
    if job.model is None and job.function is not None and job.callbacks is not None:
        yield Fault("callbacks", job.callbacks.__name__, "must not be given for a function: Keras calls them")


def _fit_for_a_model(job: JobFields) -> Iterator[Fault]:
    if job.model is None and job.function is not None:
        for name, value in job.fit.given.items():
            yield Fault(f"fit.{name}", value, "must not be given for a function: it is an argument of Keras' fit")


def _phases_for_a_model(job: JobFields) -> Iterator[Fault]:
    if job.model is None and job.function is not None and job.phases:
        yield Fault(
            "phases", len(job.phases), "must not be given for a function: a function can change its model itself"
        )


def _phases_follow_each_other(job: JobFields) -> Iterator[Fault]:
    parameters, before = flat(job.space), 0
    for place, phase in enumerate(job.phases):
        field = f"phases.{place}.at"
        if isinstance(phase.at, int):
            if phase.at <= before:
                yield Fault(field, phase.at, f"must be above {before}, where the previous phase begins")
            before = phase.at
        elif phase.at not in parameters:
            yield Fault(
                field, phase.at, f"{unknown('hyperparameter', parameters, phase.at)}; a number of epochs is allowed"
            )
        elif not _is_whole(parameters[phase.at]):
            yield Fault(f"space.{phase.at}", parameters[phase.at], f"must be whole numbers of at least 1 for {field}")


def _space_holds_together(job: JobFields) -> Iterator[Fault]:
    yield from conflicts(job.space)


def _bounds_leave_values(job: JobFields) -> Iterator[Fault]:
    for place, objective in enumerate(job.objectives):
        low, high = objective.at_least, objective.at_most
        if low is not None and high is not None and low > high:
            yield Fault(f"objectives.{place}.at_least", low, f"must be at most at_most, which is {high:g}")


def _starts_lie_in_the_space(job: JobFields) -> Iterator[Fault]:
    for place, config in enumerate(job.start_with):
        yield from start_faults(job.space, config, f"start_with.{place}")


def _starts_fit_budget(job: JobFields) -> Iterator[Fault]:
    if len(job.start_with) > job.budget.trials:
        allowed = f"must have at most budget.trials configs, which is {job.budget.trials}"
        yield Fault("start_with", f"{len(job.start_with)} configs", allowed)


def _searcher_fits_space(job: JobFields) -> Iterator[Fault]:
    yield from job.searcher.faults(job.space)


def _searcher_learns_from_studies(job: JobFields) -> Iterator[Fault]:
    if not job.learn_from:
        return
    found = ", ".join(job.learn_from)
    if not job.searcher.learns_from_studies:
        learning = " or ".join(name for name, kind in SEARCHERS.items() if kind.learns_from_studies)
        allowed = (
            f"must be left out with the searcher {job.searcher.kind}, which does not learn from other studies; "
            f"--search {learning} does. --start-from tries the best configs of another study with any searcher"
        )
        yield Fault("learn_from", found, allowed)
    if len(job.objectives) > 1:
        allowed = (
            f"must be left out with several objectives ({', '.join(one.metric for one in job.objectives)}): learning "
            "from other studies supports only one objective"
        )
        yield Fault("learn_from", found, allowed)


def _scheduler_fits_budget(job: JobFields) -> Iterator[Fault]:
    yield from job.scheduler.faults(epochs=job.budget.epochs, trials=job.budget.trials)


def _scheduler_fits_space(job: JobFields) -> Iterator[Fault]:
    yield from job.scheduler.space_faults(job.space)


def _weights_can_be_copied(job: JobFields) -> Iterator[Fault]:
    # The parameters of a stored function that is not loaded are unknown.
    function = as_function(job.function)
    if job.scheduler.exploits and function is not None and not takes_state(function):
        allowed = (
            "must be a scheduler that does not copy weights, because the function keeps no state: define "
            f"{function.__name__}(config, state) that yields (metrics, state)"
        )
        yield Fault("scheduler", job.scheduler.kind, allowed)


def _models_of_a_trial(job: JobFields) -> Iterator[Fault]:
    for name in ("folds", "repeats"):
        if (count := getattr(job, name)) > 1 and job.function is not None:
            yield Fault(name, count, "must be 1 for a function, which defines its own models")
    if job.folds > 1 and job.scheduler.exploits:
        allowed = "must be 1 with a scheduler that changes configs, because the best config is trained again"
        yield Fault("folds", job.folds, allowed)


def _every_gpu_is_used(job: JobFields) -> Iterator[Fault]:
    gpus = job.resources.gpus
    if gpus <= 1:
        return
    if gpus != int(gpus):
        yield Fault("resources.gpus", gpus, "must be a whole number if it is above 1")
    elif job.model is not None and job.resources.strategy is None:
        allowed = "must be 'mirrored' if a trial has more than one GPU; otherwise the others stay idle"
        yield Fault("resources.strategy", None, allowed)


def _batch_size_is_whole(job: JobFields) -> Iterator[Fault]:
    domain = flat(job.space).get("batch_size")
    if domain is None or job.model is None:
        return
    if not _is_whole(domain):
        yield Fault("space.batch_size", domain, "must be whole numbers of at least 1")


def _is_whole(domain: Any) -> bool:
    """Whether all values of a parameter are whole numbers of at least 1."""
    if (values := listed_values(domain)) is None:
        return bool(domain.whole and domain.bounds[0] >= 1)
    return all(type(value) is int and value >= 1 for value in values)


_RULES: dict[_Rule, set[str]] = {
    _one_kind_of_training: {"model", "function"},
    _functions_take_the_config: {"model", "function", "space"},
    _data_for_a_model: {"model", "function", "data"},
    _callbacks_for_a_model: {"model", "function", "callbacks"},
    _fit_for_a_model: {"model", "function", "fit"},
    _phases_for_a_model: {"model", "function", "phases"},
    _phases_follow_each_other: {"phases", "space"},
    _space_holds_together: {"space"},
    _bounds_leave_values: {"objectives"},
    _starts_lie_in_the_space: {"start_with", "space"},
    _starts_fit_budget: {"start_with", "budget"},
    _searcher_fits_space: {"searcher", "space"},
    _searcher_learns_from_studies: {"learn_from", "searcher", "objectives"},
    _scheduler_fits_budget: {"scheduler", "budget"},
    _scheduler_fits_space: {"scheduler", "space"},
    _weights_can_be_copied: {"scheduler", "function"},
    _models_of_a_trial: {"folds", "repeats", "function", "scheduler"},
    _every_gpu_is_used: {"resources", "model"},
    _batch_size_is_whole: {"space", "model"},
}
