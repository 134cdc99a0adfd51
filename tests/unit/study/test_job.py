"""TuneJob: validation as a whole, defaults, JSON both ways."""

import json
import math
import pickle
from typing import Any

import numpy as np
import pytest

from pipeline.errors import Fault, InvalidJob
from pipeline.schedulers import ASHA, FIFO, MOASHA, PBT, PromotingASHA, PromotingMOASHA
from pipeline.searchers import CurveSearch, GridSearch, MOTPESearch, RandomSearch, TPESearch
from pipeline.space import Choice, Grid, IntUniform, LogUniform, Switch, Uniform
from pipeline.study import Budget, Fit, Objective, Phase, Resources, TuneJob


def build(config: dict[str, Any]) -> None: ...


def callbacks(config: dict[str, Any]) -> list[Any]:
    return []


def stateful(config: dict[str, Any], state: Any) -> None: ...


def weights(config: dict[str, Any]) -> dict[int, float]:
    return {0: 1.0, 1: config["weight"]}


def unfreeze(model: Any, config: dict[str, Any]) -> None: ...


FUNCTION = {"function": build, "model": None, "data": None}


def job(**fields: Any) -> TuneJob:
    space = {"lr": LogUniform(1e-4, 1), "units": 64}
    return TuneJob(
        **{
            "name": "a-job",
            "model": build,
            "data": "mnist",
            "space": space,
            "objectives": Objective("val_accuracy", "max"),
            **fields,
        }
    )


SEVERAL = [Objective("loss", "min"), Objective("parameters", "min")]


def faults(**fields: Any) -> tuple[Fault, ...]:
    with pytest.raises(InvalidJob) as refused:
        job(**fields)
    return refused.value.faults


@pytest.mark.parametrize("fields", [
    {},
    {"callbacks": callbacks, "data": build, "description": "Größe, \n and more"},
    {**FUNCTION, "scheduler": FIFO()},
    {"scheduler": PBT(interval=2, quantile=0.5), "budget": Budget(trials=4, seconds=1.5, target=0.25)},
    {"searcher": GridSearch(), "space": {"a": Choice([1, 2.5, "x"]), "b": True, "c": 1.0, "batch_size": 32}},
    {"resources": Resources(cpus=0.5, gpus=2, workers=0), "seed": 7, "trial_seeds": True},
    {"space": {}},
    {"folds": 3, "repeats": 2},
    {"fit": Fit(class_weight=weights, steps_per_epoch=3)},
    {"phases": [Phase(at=2, prepare=unfreeze), Phase("weeks", unfreeze)], "space": {"weeks": 3}},
])  # fmt: skip
def test_a_job_is_equal_after_json_and_pickle(fields):
    written = job(**fields)
    read = TuneJob.from_json(json.loads(json.dumps(written.to_json(), allow_nan=False)))
    assert read == written
    assert read.functions == written.functions
    assert (repr(read.space), repr(read.fit)) == (repr(written.space), repr(written.fit))
    assert pickle.loads(pickle.dumps(written)) == written


def test_one_objective_needs_no_list_and_settings_may_be_named():
    assert job(objectives={"metric": "val_loss", "mode": "min"}).objectives == (Objective("val_loss", "min"),)
    assert job(scheduler="pbt", searcher="random").scheduler == PBT()


@pytest.mark.parametrize(
    "name",
    ["", "A", "CON", "../x", "a/b", "a\\b", ".", "..", ".a", "a.", "-a", "a-", "a b", "ä", "a\n", "a\0", "a" * 64, 3],
)
def test_names_that_are_no_safe_folders_are_refused(name):
    assert [fault.field for fault in faults(name=name)] == ["name"]


class Foreign:
    """An object of another library."""


@pytest.mark.parametrize(("fields", "field", "allowed"), [
    ({"budget": Budget(trials=0)}, "budget.trials", "1"),
    ({"budget": {"target": math.nan}}, "budget.target", "finite"),
    ({"budget": {"x": 1}}, "budget.x", "no such field; available: trials, epochs"),
    ({"scheduler": "ahsa"}, "scheduler", "did you mean asha?"),
    ({"scheduler": {"grace_period": 3}}, "scheduler", "must name its kind"),
    ({"scheduler": GridSearch()}, "scheduler", "no such scheduler"),
    ({"scheduler": ASHA(grace_period=0)}, "scheduler.grace_period", "1"),
    ({"scheduler": {"kind": "asha", "grace": 1}}, "scheduler.grace", "did you mean grace_period?"),
    ({"space": 3}, "space", "dictionary"),
    ({"space": {"lr": Foreign()}}, "space.lr", "LogUniform"),
    ({"space": {"lr": Uniform(2, 1)}}, "space.lr", "low must be below high"),
    ({"space": {"c": Choice([1, b"x"])}}, "space.c.values.1", "JSON value"),
    ({"space": {"LR": 1}}, "space.LR", "lower-case"),
    ({"space": {"s": Switch({"uniform": {"p": LogUniform("x", 1)}})}}, "space.s.uniform.p.low", "number"),
    ({"start_with": [{"lr": {1}}]}, "start_with.0.lr", "JSON value"),
    ({"objectives": Objective("v", "up")}, "objectives.0.mode", "'min' or 'max'"),
    ({"objectives": [Objective("v", "max")] * 2}, "objectives", "v is there more than once"),
    ({"data": np.zeros((2, 1))}, "data", "function"),
    ({"sed": 1}, "sed", "did you mean seed?"),
    ({"trials": 3}, "trials", "trials is a field of Budget"),
    ({"fit": {"class_weight": {"cat": 1.0}}}, "fit.class_weight", "dict"),
    ({"fit": {"steps_per_epoch": 0}}, "fit.steps_per_epoch", "whole number of at least 1"),
    ({"phases": [Phase(0, unfreeze)]}, "phases.0.at", "at least 1, or the name of a hyperparameter"),
    ({"phases": [Phase(3, unfreeze)] * 2}, "phases.1.at", "above 3"),
    ({"phases": [Phase("lr", unfreeze)]}, "space.lr", "whole numbers of at least 1 for phases.0.at"),
    # Rules between fields.
    ({"function": build}, "function", "model"),
    ({"data": None}, "data", "for a model"),
    ({**FUNCTION, "callbacks": build}, "callbacks", "function"),
    ({"searcher": "grid"}, "searcher", "lr"),
    ({"space": {"p": 1, "s": Switch({"a": {"p": 1}})}}, "space.s.a.p", "another name"),
    ({"start_with": [{}, {}, {}], "budget": Budget(trials=2)}, "start_with", "budget.trials"),
    ({"start_with": [{"units": 32}]}, "start_with.0.units", "64"),
    ({"scheduler": PBT(interval=9)}, "scheduler.interval", "budget.epochs"),
    ({**FUNCTION, "scheduler": "pbt"}, "scheduler", "build(config, state)"),
    ({"scheduler": "pbt", "folds": 3}, "folds", "must be 1"),
    ({"resources": Resources(gpus=1.5)}, "resources.gpus", "whole number"),
    ({"objectives": [Objective("v", "max", at_least=2, at_most=1)]}, "objectives.0.at_least", "at_most"),
    *(
        ({"space": {"batch_size": domain}}, "space.batch_size", "whole numbers")
        for domain in (0, True, Choice([32, 64.0]), IntUniform(0, 4))
    ),
])  # fmt: skip
def test_a_fault_names_the_field_and_what_is_allowed(fields, field, allowed):
    found = faults(**fields)
    assert found[0].field == field
    assert allowed in found[0].allowed


def test_all_faults_are_reported_together_and_rules_skip_invalid_fields():
    found = faults(
        name="A",
        data=None,
        space={"lr": Uniform(2, 1), "batch_size": 0.5},
        scheduler=PBT(interval=9),
        budget=Budget(trials=1),
        resources=Resources(gpus=2),
        seed=-1,
    )
    fields = ["name", "space.lr", "seed", "data", "scheduler.interval"]
    assert [fault.field for fault in found] == fields
    found = faults(**FUNCTION, scheduler=PBT(interval=99), budget=Budget(epochs=0))
    assert [fault.field for fault in found] == ["budget.epochs", "scheduler"]


@pytest.mark.parametrize("fields", [
    {"scheduler": "pbt", "repeats": 2},
    {**FUNCTION, "resources": Resources(gpus=2)},
    {**FUNCTION, "function": stateful, "scheduler": "pbt"},
    {"resources": Resources(gpus=2)},
    {"space": {"batch_size": IntUniform(1, 4)}},
    {**FUNCTION, "space": {"batch_size": 0.5}},
])  # fmt: skip
def test_settings_that_fit_are_accepted(fields):
    assert job(**fields).name == "a-job"


@pytest.mark.parametrize(("fields", "scheduler", "searcher"), [
    ({}, PromotingASHA(), CurveSearch()),
    (FUNCTION, ASHA(), RandomSearch()),
    ({**FUNCTION, "function": stateful}, PromotingASHA(), CurveSearch()),
    ({"objectives": SEVERAL}, PromotingMOASHA(), MOTPESearch()),
    ({**FUNCTION, "objectives": SEVERAL}, MOASHA(), MOTPESearch()),
    ({"scheduler": FIFO()}, FIFO(), RandomSearch()),
    ({"scheduler": "asha"}, ASHA(), RandomSearch()),
    ({"searcher": "tpe"}, PromotingASHA(), TPESearch()),
    ({"space": {"lr": 0.1}}, PromotingASHA(), RandomSearch()),
    ({"space": {"lr": LogUniform(1e-3, 1), "width": Grid([1, 2])}}, PromotingASHA(), RandomSearch()),
])  # fmt: skip
def test_what_a_job_does_not_name_is_recommended(fields, scheduler, searcher):
    assert (job(**fields).scheduler, job(**fields).searcher) == (scheduler, searcher)
    changed = job().replaced({**fields, "budget.epochs": 50})
    assert (changed.scheduler, changed.searcher) == (scheduler, searcher)


@pytest.mark.parametrize(("epochs", "grace"), [(1, 1), (8, 1), (27, 2), (50, 3), (100, 6)])
def test_the_first_rung_follows_the_budget_with_which_a_study_began(epochs, grace):
    begun = job().replaced({"budget.epochs": epochs}).resolved()
    assert begun.scheduler == PromotingASHA(grace_period=grace, reduction_factor=3.5)
    saved = TuneJob.from_json(begun.to_json())
    assert saved.recommended == set()
    assert saved.replaced({"budget.epochs": 200}).resolved(saved).scheduler == begun.scheduler
