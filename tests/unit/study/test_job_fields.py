"""The fields of a job, each validated by itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.schedulers import ASHA, PBT
from pipeline.schedulers.ray import RayScheduler
from pipeline.searchers import GridSearch
from pipeline.space import Uniform
from pipeline.study import Objective
from pipeline.study.job_fields import JobFields

PATH = "ray.tune.schedulers.MedianStoppingRule"


def build(config: dict[str, Any]) -> None:
    """A user's function."""


def _fields(**given: Any) -> JobFields:
    return JobFields(
        **{
            "name": "a",
            "function": build,
            "space": {"x": Uniform(0, 1)},
            "objectives": [Objective("v", "max")],
            **given,
        }
    )


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        ("pbt", PBT()),
        ({"kind": "asha", "grace_period": 2}, ASHA(grace_period=2)),
        (PATH, RayScheduler(PATH)),
        ({"kind": PATH, "grace_period": 3}, RayScheduler(PATH, {"grace_period": 3})),
        ({"kind": PATH, "settings": {"grace_period": 3}}, RayScheduler(PATH, {"grace_period": 3})),
    ],
)
def test_settings_may_be_a_name(given: object, settings: object) -> None:
    """A name or a class path stands for its defaults; settings of Ray's classes may be next to the path."""
    assert _fields(scheduler=given).scheduler == settings
    assert _fields(searcher="grid").searcher == GridSearch()


def test_one_objective_needs_no_list() -> None:
    """A single objective or mapping is read as a list of one, and the first objective is the study's."""
    assert _fields(objectives=Objective("a", "min")).objective == Objective("a", "min")
    assert _fields(objectives={"metric": "a", "mode": "min"}).objectives == (Objective("a", "min"),)
    assert _fields(objectives=[Objective("a", "min"), Objective("b", "max")]).objective.metric == "a"


def test_each_metric_is_named_once() -> None:
    """A metric that is named with two directions is refused."""
    with pytest.raises(ValidationError, match="must name each metric once, and a is there more than once"):
        _fields(objectives=[Objective("a", "min"), Objective("b", "max"), Objective("a", "max")])


def test_the_users_functions_are_those_that_can_be_called() -> None:
    """The callable fields of a job are its functions, and a data set by name is not one."""
    fields = _fields(function=None, model=build, data="digits")
    assert fields.functions == {"model": build}
    assert list(_fields(function=None, model=build, data=build).functions) == ["model", "data"]


def test_a_job_can_be_resumed_if_its_functions_have_a_file() -> None:
    """A job can be resumed only if each of its functions has a file."""
    assert _fields().resumable
    assert not _fields(function=lambda _: 1).resumable
    assert not _fields(function=None, model=build, data=lambda: None).resumable


@pytest.mark.parametrize(
    "given", [{"folds": 0}, {"folds": 1.5}, {"repeats": 101}, {"seed": -1}, {"batch_size": 0}, {"x": 1}]
)
def test_fields_have_ranges(given: dict[str, Any]) -> None:
    """A value outside of its field's range, and an unknown field, are refused."""
    with pytest.raises(ValidationError):
        _fields(**given)
