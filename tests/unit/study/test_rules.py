"""Rules between the fields of a job."""

from typing import Any

import pytest

from pipeline.errors import InvalidJob
from pipeline.schedulers import PBT
from pipeline.space import Choice, Grid, IntUniform, QUniform, Switch, Uniform
from pipeline.study import Budget, Objective, Resources, TuneJob


def _build(config: dict[str, Any]) -> None:
    """A user's model function."""


_MODEL = {"model": _build, "data": "mnist"}
_FUNCTION = {"function": _build}


def _stateful(config: dict[str, Any], state: Any) -> None:
    """A function with a state."""


def _one_by_one(units: int, lr: float = 0.1) -> None:
    """A model function of two hyperparameters instead of a config."""


def _job(**fields: Any) -> TuneJob:
    return TuneJob(**{"name": "a", "space": {}, "objectives": Objective("v", "max"), **fields})


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, "model: must be given, unless function is; found nothing"),
        ({**_MODEL, "function": _build}, "function: must not be combined with model; found '_build'"),
        ({"model": _build}, "data: must be given for a model: a data set's name, a function or a Parquet file's path"),
        (
            {"model": _one_by_one, "data": "mnist", "space": {"units": 8, "lr": Uniform(0, 1)}},
            "model: must take the config, a dictionary, as its only argument: model=lambda config: "
            "_one_by_one(**config); found '_one_by_one(units: int, lr: float = 0.1) -> None'",
        ),
        ({**_FUNCTION, "callbacks": _build}, "callbacks: must not be given for a function"),
        ({**_FUNCTION, "data": "mnist"}, "data: must not be given for a function"),
        (
            {**_MODEL, "searcher": "grid", "space": {"lr": Uniform(0, 1)}},
            "searcher: grid search needs a finite number of values for every hyperparameter, and lr has infinitely",
        ),
        (
            {**_MODEL, "searcher": "grid", "space": {"s": Switch({"a": {"lr": Uniform(0, 1)}, "b": {}})}},
            "searcher: grid search needs a finite number of values for every hyperparameter, and s.a.lr has",
        ),
        (
            {**_MODEL, "searcher": "cma", "space": {"a": Uniform(0, 1), "b": Choice([1, 2])}},
            "searcher: CMA-ES needs at least two numbers that every config draws, and there is only a; tpe and gp do",
        ),
        (
            {**_MODEL, "space": {"p": 1, "s": Switch({"a": {"p": 1}})}},
            "space.s.a.p: must have another name: space.p may be present at the same time; found 1",
        ),
        (
            {**_MODEL, "space": {"s": Switch({"a": {"batch_size": 0}, "b": {}})}},
            "space.batch_size: must be whole numbers of at least 1; found 0",
        ),
        (
            {**_MODEL, "start_with": [{}, {}, {}], "budget": Budget(trials=2)},
            "start_with: must have at most budget.trials configs, which is 2; found '3 configs'",
        ),
        (
            {**_MODEL, "scheduler": "pbt", "budget": Budget(trials=1)},
            "budget.trials: must be at least 2, because a population has several trials",
        ),
        (
            {**_MODEL, "scheduler": PBT(interval=9)},
            "scheduler.interval: must be at most budget.epochs, which is 8; found 9",
        ),
        (
            {**_MODEL, "scheduler": PBT(explore=["rat"]), "space": {"rate": Uniform(0, 1), "n": 1}},
            "scheduler.explore: must name hyperparameters: rate, n; did you mean rate?; found 'rat'",
        ),
        (
            {**_FUNCTION, "scheduler": "pbt"},
            "scheduler: must be a scheduler that does not copy weights, because the function keeps no state: define "
            "_build(config, state) that yields (metrics, state); found 'pbt'",
        ),
        ({**_FUNCTION, "folds": 3}, "folds: must be 1 for a function, which defines its own models; found 3"),
        ({**_FUNCTION, "repeats": 2}, "repeats: must be 1 for a function, which defines its own models; found 2"),
        ({**_MODEL, "scheduler": "pbt", "folds": 3}, "folds: must be 1 with a scheduler that changes configs"),
        (
            {**_MODEL, "resources": Resources(gpus=1.5)},
            "resources.gpus: must be a whole number if it is above 1; found 1.5",
        ),
        ({**_MODEL, "resources": Resources(gpus=2)}, "resources.strategy: must be 'mirrored' if a trial has more"),
        ({**_MODEL, "space": {"batch_size": 0}}, "space.batch_size: must be whole numbers of at least 1; found 0"),
        ({**_MODEL, "space": {"batch_size": True}}, "space.batch_size: must be whole numbers"),
        ({**_MODEL, "space": {"batch_size": QUniform(16, 64, 16)}}, "space.batch_size: must be whole numbers"),
        ({**_MODEL, "space": {"batch_size": Choice([32, 64.0])}}, "space.batch_size: must be whole numbers"),
        ({**_MODEL, "space": {"batch_size": IntUniform(0, 4)}}, "space.batch_size: must be whole numbers"),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(fields: dict[str, Any], fault: str) -> None:
    """Fields that conflict are refused by one rule, which names the field to be changed."""
    with pytest.raises(InvalidJob) as refused:
        _job(**fields)
    (found,) = refused.value.faults
    assert str(found).startswith(fault)


@pytest.mark.parametrize(
    "fields",
    [
        _MODEL,
        _FUNCTION,
        {**_MODEL, "callbacks": _build},
        {**_MODEL, "folds": 3, "repeats": 2},
        {**_MODEL, "scheduler": "pbt", "repeats": 2},
        {**_FUNCTION, "resources": Resources(gpus=2)},
        {"function": _stateful, "scheduler": "pbt"},
        {**_MODEL, "resources": Resources(gpus=0.5)},
        {**_MODEL, "resources": Resources(gpus=2, strategy="mirrored")},
        {**_MODEL, "scheduler": PBT(interval=8), "budget": Budget(trials=2)},
        {**_MODEL, "searcher": "grid", "space": {"a": Choice([1, 2]), "b": Grid([1]), "c": 1}},
        {**_MODEL, "space": {"batch_size": IntUniform(1, 4)}},
        {**_MODEL, "space": {"batch_size": Choice([32, 64])}},
        {**_FUNCTION, "space": {"batch_size": 0.5}},
    ],
)
def test_settings_that_fit_are_accepted(fields: dict[str, Any]) -> None:
    """Settings that fit together break no rule."""
    assert _job(**fields).name == "a"


def test_rules_about_invalid_fields_are_left_out() -> None:
    """A scheduler is not compared with an invalid budget, and the other rules are checked."""
    with pytest.raises(InvalidJob) as refused:
        _job(scheduler=PBT(interval=99), budget=Budget(epochs=0), function=_build)
    assert [fault.field for fault in refused.value.faults] == ["budget.epochs", "scheduler"]
