"""Messages about the faults of a job."""

import math
from typing import Any

import numpy as np
import pytest
from optuna.distributions import FloatDistribution

from pipeline.errors import InvalidJob
from pipeline.schedulers import ASHA, PBT, SCHEDULERS
from pipeline.searchers import SEARCHERS, GridSearch
from pipeline.space import Choice, LogUniform, Switch, Uniform
from pipeline.study import Budget, Objective, Resources, TuneJob


def _build(config: dict[str, Any]) -> None:
    """A user's model function."""


def _faults(**fields: Any) -> list[str]:
    good = {
        "name": "a",
        "model": _build,
        "data": "mnist",
        "space": {"lr": LogUniform(1e-4, 1)},
        "objectives": [Objective("val_accuracy", "max")],
    }
    with pytest.raises(InvalidJob) as refused:
        TuneJob(**{name: value for name, value in {**good, **fields}.items() if value is not ...})
    return [str(fault) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (
            {"name": "A"},
            "name: must be at most 63 lower-case letters, digits, '.', '_' or '-', the first and last a letter or "
            "digit; found 'A'",
        ),
        ({"name": ...}, "name: must be given; found nothing"),
        ({"name": 3}, "name: must be text; found 3"),
        ({"budget": Budget(trials=0)}, "budget.trials: must be at least 1; found 0"),
        ({"budget": {"trials": 1.0}}, "budget.trials: must be a whole number; found 1.0"),
        ({"budget": {"trials": True}}, "budget.trials: must be a whole number; found True"),
        ({"budget": {"trials": "3"}}, "budget.trials: must be a whole number; found '3'"),
        ({"budget": {"trials": 2**31}}, "budget.trials: must be below 2147483648; found 2147483648"),
        ({"budget": {"seconds": 0}}, "budget.seconds: must be above 0; found 0"),
        ({"budget": {"target": math.nan}}, "budget.target: must be finite; found nan"),
        (
            {"budget": {"x": 1}},
            "budget.x: no such field; available: trials, epochs, total_epochs, seconds, target, "
            "max_failed_trials; found 1",
        ),
        (
            {"budget": 3},
            "budget: must be a Budget with the fields trials, epochs, total_epochs, seconds, target, "
            "max_failed_trials; found 3",
        ),
        ({"resources": Resources(workers=-1)}, "resources.workers: must be at least 0; found -1"),
        ({"resources": {"strategy": "x"}}, "resources.strategy: must be 'mirrored'; found 'x'"),
        (
            {"scheduler": "ahsa"},
            f"scheduler: no such scheduler; available: {', '.join(SCHEDULERS)}; did you mean asha?; found 'ahsa'",
        ),
        (
            {"scheduler": {"kind": "bohb"}},
            f"scheduler: no such scheduler; available: {', '.join(SCHEDULERS)}; found 'bohb'",
        ),
        (
            {"scheduler": {"grace_period": 3}},
            f"scheduler: must name its kind, one of {', '.join(SCHEDULERS)}; found {{'grace_period': 3}}",
        ),
        (
            {"scheduler": "ASHA"},
            f"scheduler: no such scheduler; available: {', '.join(SCHEDULERS)}; did you mean asha?; found 'ASHA'",
        ),
        (
            {"searcher": 3},
            f"searcher: must be one of {', '.join(SEARCHERS)}; a searcher of Ray Tune must be the path of a class in "
            "ray.tune.search, as in ray.tune.search.optuna.OptunaSearch; found 3",
        ),
        (
            {"space": {"lr": FloatDistribution(0, 1)}},
            "space.lr: must be a plain value or one of Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, "
            "Uniform; found FloatDistribution(high=1.0, log=False, low=0.0, step=None)",
        ),
        (
            {"scheduler": GridSearch()},
            f"scheduler: no such scheduler; available: {', '.join(SCHEDULERS)}; found 'grid'",
        ),
        ({"scheduler": ASHA(grace_period=0)}, "scheduler.grace_period: must be at least 1; found 0"),
        ({"scheduler": PBT(quantile=0.6)}, "scheduler.quantile: must be at most 0.5; found 0.6"),
        (
            {"scheduler": {"kind": "asha", "grace": 1}},
            "scheduler.grace: no such field; available: grace_period, reduction_factor; "
            "did you mean grace_period?; found 1",
        ),
        ({"searcher": {"kind": "random", "x": 1}}, "searcher.x: no such field; there are none; found 1"),
        ({"space": {"lr": Uniform(2, 1)}}, "space.lr: low must be below high; found Uniform(low=2, high=1)"),
        ({"space": {"lr": Uniform("a", 1)}}, "space.lr.low: must be a number; found 'a'"),  # type: ignore[arg-type]
        ({"space": {"lr": {"kind": "uniform", "low": 1}}}, "space.lr.high: must be given; found nothing"),
        (
            {"space": {"c": Choice([1, b"x"])}},
            "space.c.values.1: must be a JSON value (a number, text, ",
        ),  # type: ignore[list-item]
        (
            {"space": {"lr": {"kind": "unifrom"}}},
            "space.lr: no such domain; available: choice, grid, intuniform, loguniform, normal, quniform, switch, "
            "uniform; did you mean uniform?; found 'unifrom'",
        ),
        (
            {"space": {"lr": b"x"}},
            "space.lr: must be a plain value or one of Choice, Grid, IntUniform, LogUniform, Normal, QUniform, "
            "Switch, Uniform; found b'x'",
        ),
        (
            {"space": {"LR": 1}},
            "space.LR: must have a name of at most 63 lower-case letters, digits and '_' that begins with a letter; "
            "found 'LR'",
        ),
        ({"space": {"s": Switch({})}}, "space.s: branches must not be empty; found Switch(branches={})"),
        ({"space": {"s": Switch({"a": {"p": Uniform(2, 1)}})}}, "space.s.a.p: low must be below high; found Unif"),
        ({"space": {"s": Switch({"a": {"p": LogUniform("x", 1)}})}}, "space.s.a.p.low: must be a number; found 'x'"),  # type: ignore[arg-type]
        (
            {"space": {"s": Switch({"a": {"t": Switch({"b": {"P": 1}})}})}},
            "space.s.a.t.b.P: must have a name of at most 63 lower-case letters, digits and '_' that begins ",
        ),
        (
            {"space": {"s": {"kind": "switch", "branches": {"a": 3}}}},
            "space.s.a: must be an object of names, each with a plain value or one of Choice, Grid, IntUniform, ",
        ),
        ({"space": {"s": {"kind": "switch", "brnches": {}}}}, "space.s.branches: must be given; found nothing"),
        (
            {"start_with": [{"lr": {1}}]},
            "start_with.0.lr: must be a JSON value (a number, text, ",
        ),
        ({"start_with": {"lr": 0.1}}, "start_with: must be a list; found {'lr': 0.1}"),
        ({"objectives": []}, "objectives: must not be empty; found []"),
        ({"objectives": Objective("v", "up")}, "objectives.0.mode: must be 'min' or 'max'; found 'up'"),  # type: ignore[arg-type]
        ({"objectives": [Objective("", "max")]}, "objectives.0.metric: must not be empty; found ''"),
        (
            {"objectives": ["v"]},
            "objectives.0: must be an Objective with the fields metric, mode, at_most, at_least; found 'v'",
        ),
        (
            {"data": np.zeros((2, 1))},
            "data: must be a data set's name, the path of a Parquet file, or a function that returns the data, such as "
            "data=lambda: Dataset(train=(x, y), validation=(x, y)); found array([[0.], [0.]])",
        ),
        (
            {"data": " "},
            "data: must not be empty: a data set's name, a function or the path of a Parquet file; found ' '",
        ),
        (
            {"model": max},
            "model: must be a function that takes a config and returns a compiled keras.Model, defined with def or "
            "lambda; found <built-in function max>",
        ),
        (
            {"callbacks": ["stop"]},
            "callbacks: must be a function that takes a config and returns a list of new Keras callbacks for each "
            "trial, defined with def or lambda; found ['stop']",
        ),
        ({"seed": -1}, "seed: must be at least 0; found -1"),
        ({"batch_size": 0}, "batch_size: must be at least 1; found 0"),
        ({"trial_seeds": 1}, "trial_seeds: must be true or false; found 1"),
        ({"description": 1}, "description: must be text; found 1"),
    ],
)
def test_a_fault_names_field_value_and_what_is_allowed(fields: dict[str, Any], fault: str) -> None:
    """A faulty field is reported in one line with its name, the allowed values and the value found."""
    found = _faults(**fields)
    assert found[0].startswith(fault)
    assert len(found) == 1 or found[1].startswith("space.s.brnches: no such field; available: branches")


def test_a_misspelt_field_is_recognised() -> None:
    """A misspelt field is refused with the list of all fields and the nearest one."""
    (fault,) = _faults(sed=1)
    assert fault.startswith("sed: no such field; available: name, description, model,")
    assert fault.endswith("did you mean seed?; found 1")


def test_a_metric_named_twice_is_refused() -> None:
    """A metric named by two objectives is refused."""
    objective = Objective("v", "max")
    (fault,) = _faults(objectives=[objective, objective])
    assert fault.startswith("objectives: must name each metric once, and v is there more than once; found ")


def test_all_faults_are_reported_together() -> None:
    """Faults of fields and faults between fields are one error, listed below the job's name."""
    faults = _faults(
        name="A",
        data=...,
        space={"lr": Uniform(2, 1), "batch_size": 0.5},
        scheduler=PBT(interval=9),
        budget=Budget(trials=1),
        resources=Resources(gpus=2),
        seed=-1,
    )
    assert [fault.split(":")[0] for fault in faults] == [
        "name",
        "space.lr",
        "seed",
        "data",
        "scheduler.interval",
        "budget.trials",
        "resources.strategy",
    ]
    with pytest.raises(InvalidJob, match=r"^job 'ok' has 3 errors:\n  - model: .*\n  - space: .*\n  - objectives: .*$"):
        TuneJob(name="ok", space=3, objectives=[], model=3)


def test_long_values_are_cut() -> None:
    """A value of 1,000 characters is cut, so that its message is shorter than 300."""
    (fault,) = _faults(name="a" * 1000)
    assert len(fault) < 300
