"""What must hold between a job's fields. A rule is asked only where the fields it looks at are valid by themselves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, TypeAlias

from pipeline.errors import Fault
from pipeline.space import Choice, Grid, IntUniform, conflicts, flat
from pipeline.study.drawing import start_faults

if TYPE_CHECKING:
    from pipeline.study.job import TuneJob

__all__ = ["broken_rules"]

_Rule: TypeAlias = "Callable[[TuneJob], Iterator[Fault]]"


def broken_rules(job: TuneJob, invalid: Collection[str] = ()) -> list[Fault]:
    """What does not fit together in a job.

    Args:
        job: The job; fields that are invalid hold anything.
        invalid: Names of these fields: rules about them are left out.
    """
    return [fault for rule, fields in _RULES.items() if not fields & set(invalid) for fault in rule(job)]


def _one_thing_to_train(job: TuneJob) -> Iterator[Fault]:
    if job.model is None and job.function is None:
        yield Fault("model", None, "must be given, or else function")
    if job.model is not None and job.function is not None:
        yield Fault("function", job.function.__name__, "must not be given beside model")


def _data_for_a_model(job: TuneJob) -> Iterator[Fault]:
    if job.model is not None and job.data is None:
        yield Fault("data", None, "must be given for a model: a data set's name, a function or a Parquet file's path")
    if job.model is None and job.function is not None and job.data is not None:
        yield Fault("data", job.data, "must not be given for a function: it reads what it needs by itself")


def _callbacks_for_a_model(job: TuneJob) -> Iterator[Fault]:
    if job.model is None and job.function is not None and job.callbacks is not None:
        yield Fault("callbacks", job.callbacks.__name__, "must not be given for a function: Keras calls them")


def _space_holds_together(job: TuneJob) -> Iterator[Fault]:
    yield from conflicts(job.space)


def _starts_lie_in_the_space(job: TuneJob) -> Iterator[Fault]:
    for place, config in enumerate(job.start_with):
        yield from start_faults(job.space, config, f"start_with.{place}")


def _starts_fit_budget(job: TuneJob) -> Iterator[Fault]:
    if len(job.start_with) > job.budget.trials:
        allowed = f"must be at most as many as budget.trials, which is {job.budget.trials}"
        yield Fault("start_with", f"{len(job.start_with)} configs", allowed)


def _searcher_fits_space(job: TuneJob) -> Iterator[Fault]:
    if unfit := job.searcher.fault(job.space):
        yield Fault("searcher", job.searcher.kind, unfit)


def _scheduler_fits_budget(job: TuneJob) -> Iterator[Fault]:
    yield from job.scheduler.faults(epochs=job.budget.epochs, trials=job.budget.trials)


def _weights_can_be_handed_over(job: TuneJob) -> Iterator[Fault]:
    if job.scheduler.exploits and job.function is not None:
        allowed = "must be one that hands over no weights for a function: another trial cannot go on from its state"
        yield Fault("scheduler", job.scheduler.kind, allowed)


def _models_in_step(job: TuneJob) -> Iterator[Fault]:
    for name in ("folds", "repeats"):
        if (count := getattr(job, name)) > 1 and job.function is not None:
            yield Fault(name, count, "must be 1 for a function: it trains what it likes")
    if job.folds > 1 and job.scheduler.exploits:
        allowed = "must be 1 where the scheduler changes configs: the winner is fitted again under one config"
        yield Fault("folds", job.folds, allowed)


def _every_gpu_is_used(job: TuneJob) -> Iterator[Fault]:
    gpus = job.resources.gpus
    if gpus <= 1:
        return
    if gpus != int(gpus):
        yield Fault("resources.gpus", gpus, "must be whole above 1")
    elif job.model is not None and job.resources.strategy is None:
        allowed = "must be 'mirrored' where a trial has more than one GPU, or the others stay idle"
        yield Fault("resources.strategy", None, allowed)


def _batch_size_is_whole(job: TuneJob) -> Iterator[Fault]:
    domain = flat(job.space).get("batch_size")
    if domain is None or job.model is None:
        return
    values = domain.values if isinstance(domain, Choice | Grid) else [getattr(domain, "low", domain)]
    listed = not hasattr(domain, "draw") or isinstance(domain, Choice | Grid | IntUniform)
    if not listed or not all(type(value) is int and value >= 1 for value in values):
        yield Fault("space.batch_size", domain, "must be whole numbers of at least 1")


_RULES: dict[_Rule, set[str]] = {
    _one_thing_to_train: {"model", "function"},
    _data_for_a_model: {"model", "function", "data"},
    _callbacks_for_a_model: {"model", "function", "callbacks"},
    _space_holds_together: {"space"},
    _starts_lie_in_the_space: {"start_with", "space"},
    _starts_fit_budget: {"start_with", "budget"},
    _searcher_fits_space: {"searcher", "space"},
    _scheduler_fits_budget: {"scheduler", "budget"},
    _weights_can_be_handed_over: {"scheduler", "function"},
    _models_in_step: {"folds", "repeats", "function", "scheduler"},
    _every_gpu_is_used: {"resources", "model"},
    _batch_size_is_whole: {"space", "model"},
}
