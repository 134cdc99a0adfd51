"""The field `fit` of a job: values or functions of the config, validated by name, saved in study.json."""

import json
from typing import Any

import pytest

from pipeline.errors import InvalidJob
from pipeline.study import Fit, Objective, Phase, TuneJob


def _build(config: dict[str, Any]) -> None:
    """A user's model function."""


def weights(config: dict[str, Any]) -> dict[int, float]:
    """Class weights of a config."""
    return {0: 1.0, 1: config["weight"]}


def _job(**fields: Any) -> TuneJob:
    fields = {"model": _build, "data": "mnist", "space": {"weight": 2.0}, **fields}
    return TuneJob(name="a-job", objectives=[Objective("val_loss", "min")], **fields)


def test_values_and_functions_survive_json() -> None:
    """Class numbers are numbers again after JSON, and a function is saved by its name and loaded again."""
    job = _job(fit=Fit(class_weight=weights, steps_per_epoch=3, validation_freq=[1, 4]))
    stored = json.loads(json.dumps(job.to_json()))
    assert stored["fit"]["class_weight"]["function"].endswith(":weights")
    assert TuneJob.from_json(stored) == job
    assert list(job.functions) == ["model", "fit.class_weight"]
    plain = _job(fit=Fit(class_weight={0: 1, 2: 0.5}))
    again = TuneJob.from_json(json.loads(json.dumps(plain.to_json())))
    assert again.fit.class_weight == {0: 1.0, 2: 0.5}
    assert again == plain


def test_a_job_of_an_earlier_version_has_the_defaults() -> None:
    """A study.json without `fit` is read as a job without arguments of fit."""
    stored = _job().to_json()
    del stored["fit"]
    assert TuneJob.from_json(stored).fit == Fit()


def test_the_command_line_sets_fields() -> None:
    """`--set fit.steps_per_epoch=5` and a JSON object of class weights are read."""
    job = _job(fit=Fit(class_weight=weights)).replaced({"fit.steps_per_epoch": 5})
    assert (job.fit.steps_per_epoch, job.fit.class_weight) == (5, weights)
    assert job.replaced({"fit.class_weight": {"1": 2}}).fit.class_weight == {1: 2.0}


@pytest.mark.parametrize(
    ("given", "field", "allowed"),
    [
        ({"class_weight": [1, 2]}, "fit.class_weight", "dict from the numbers of classes"),
        ({"class_weight": {"cat": 1.0}}, "fit.class_weight", "dict from the numbers of classes"),
        ({"class_weight": {0: -1.0}}, "fit.class_weight", "at least 0, and class 0 has -1"),
        ({"class_weight": {0: 10**400}}, "fit.class_weight", "class 0 has a number beyond the largest float"),
        ({"class_weight": {0: -(10**5000)}}, "fit.class_weight", "class 0 has a number beyond the largest float"),
        ({"class_weight": {0: -(10**60)}}, "fit.class_weight", "class 0 has -1e+60"),
        ({"class_weight": {0: float("inf")}}, "fit.class_weight", "class 0 has inf"),
        ({"class_weight": {0: float("nan")}}, "fit.class_weight", "must have finite weights"),
        ({"steps_per_epoch": 0}, "fit.steps_per_epoch", "whole number of at least 1"),
        ({"validation_steps": 1.5}, "fit.validation_steps", "whole number of at least 1"),
        ({"validation_freq": []}, "fit.validation_freq", "a list of epochs from 1"),
        ({"shuffle": 1}, "fit.shuffle", "true or false"),
        ({"epochs": 3}, "fit.epochs", "no such field"),
    ],
)
def test_invalid_fields_of_fit_are_named(given: dict[str, Any], field: str, allowed: str) -> None:
    """An invalid field of fit is reported with its name, the value found and the allowed values."""
    with pytest.raises(InvalidJob) as raised:
        _job(fit=given)
    assert [fault.field for fault in raised.value.faults] == [field]
    assert allowed in raised.value.faults[0].allowed
    assert allowed in str(raised.value)


def test_a_function_has_no_fit() -> None:
    """Arguments of fit are refused in a job with `function`, which would ignore them."""
    with pytest.raises(InvalidJob, match=r"fit\.steps_per_epoch"):
        _job(model=None, data=None, function=_build, fit=Fit(steps_per_epoch=3))


def unfreeze(model: Any, config: dict[str, Any]) -> None:
    """A user's preparation of a phase."""


def test_phases_survive_json_and_the_command_line() -> None:
    """Phases with their epoch and named function survive JSON, and `--set phases.0.at=3` changes one."""
    job = _job(phases=[Phase(at=2, prepare=unfreeze), Phase("weeks", unfreeze)], space={"weight": 2.0, "weeks": 3})
    stored = json.loads(json.dumps(job.to_json()))
    assert [phase["at"] for phase in stored["phases"]] == [2, "weeks"]
    assert TuneJob.from_json(stored) == job
    assert list(job.functions) == ["model", "phases.0.prepare", "phases.1.prepare"]
    assert job.replaced({"phases.0.at": 3}).phases[0] == Phase(at=3, prepare=unfreeze)


@pytest.mark.parametrize(
    ("phases", "field", "allowed"),
    [
        ([Phase(0, unfreeze)], "phases.0.at", "at least 1, or the name of a hyperparameter"),
        ([Phase(3, unfreeze), Phase(3, unfreeze)], "phases.1.at", "above 3"),
        ([Phase("wait", unfreeze)], "phases.0.at", "no such hyperparameter"),
        ([Phase("weight", unfreeze)], "space.weight", "whole numbers of at least 1 for phases.0.at"),
        ([{"at": 3}], "phases.0.prepare", "must be given"),
        ([{"at": 3, "prepare": unfreeze, "epochs": 2}], "phases.0.epochs", "no such field"),
        ([Phase(3, "unfreeze")], "phases.0.prepare", "must be a function"),
    ],
)
def test_a_phase_that_cannot_be_is_named(phases: Any, field: str, allowed: str) -> None:
    """An invalid phase is reported with its index and the allowed values."""
    with pytest.raises(InvalidJob) as raised:
        _job(phases=phases)
    assert [fault.field for fault in raised.value.faults] == [field]
    assert allowed in raised.value.faults[0].allowed
