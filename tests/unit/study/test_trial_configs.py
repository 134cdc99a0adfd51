"""The config that a study tries as trial i."""

import json
from typing import Any

import pytest

from pipeline.engine.draws import suggestion_of_trial
from pipeline.errors import InvalidJob
from pipeline.searchers import SEARCHERS, History, Observation
from pipeline.space import Choice, IntUniform, LogUniform, QUniform, Switch, Uniform, fits, key_of
from pipeline.study import Budget, Objective, TuneJob
from pipeline.study.trial_configs import all_tried, start_configs, trials_in_all
from tests.drawn_configs import drawn_configs

_SPACE = {
    "lr": LogUniform(0.001, 1.0),
    "momentum": Uniform(0, 1),
    "schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}}),
    "width": 64,
}


def _build(config: dict[str, Any]) -> None: ...


def _job(**fields: Any) -> TuneJob:
    return TuneJob(**{"name": "a", "function": _build, "space": _SPACE, "objectives": Objective("v", "max"), **fields})


@pytest.mark.parametrize("kind", SEARCHERS)
def test_starts_come_first_and_draws_follow_as_without_them(kind: str) -> None:
    space = {"a": Choice([1, 2, 3]), "b": Choice([4, 5]), **({} if kind == "grid" else _SPACE)}
    job = _job(space=space, searcher=kind, start_with=[{"a": 3, "b": 5}, {"a": 2}])
    configs, plain = drawn_configs(job, 5), drawn_configs(_job(space=space, searcher=kind), 3)
    assert (configs[0]["a"], configs[0]["b"], configs[1]["a"]) == (3, 5, 2)
    assert kind == "grid" or configs[2:] == plain
    assert all(fits(job.space, config) for config in configs)


@pytest.mark.parametrize("kind", ["random", "sobol"])
def test_configs_of_the_study_to_start_from_are_not_drawn_again(kind: str) -> None:
    further = _job(searcher=kind, start_from={"study": "a"}, name="b")
    drawn = drawn_configs(further, 5)
    assert not [config for config in drawn if config in drawn_configs(_job(searcher=kind), 8)]
    assert drawn == drawn_configs(further, 5)


def test_parameters_that_a_start_leaves_out_are_drawn() -> None:
    job = _job(start_with=[{"schedule": "cyclic", "momentum": 0}, {"lr": 0.5}])
    first, second = drawn_configs(job, 2)
    assert (first["schedule"], first["momentum"], second["lr"]) == ("cyclic", 0.0, 0.5)
    assert type(first["momentum"]) is float
    assert list(first) == ["lr", "momentum", "schedule", "period", "width"]
    assert drawn_configs(job.replaced({"seed": 1}), 1)[0]["lr"] != first["lr"]


@pytest.mark.parametrize(("fields", "trials"), [
    ({}, 16),
    ({"searcher": "grid", "space": {"a": Choice([1, 2, 3])}}, 3),
    ({"searcher": "grid", "space": {"a": Choice([1, 2, 3])}, "start_with": [{"a": 3}, {"a": 3}]}, 3),
    ({"searcher": "grid", "space": {"a": Choice([1, 2, 3])}, "budget": Budget(trials=2)}, 2),
    ({"space": {"a": 1}}, 1),
    ({"space": {"a": 1}, "start_with": [{"a": 1}]}, 1),
    ({"space": {"a": 1}, "trial_seeds": True}, 16),
])  # fmt: skip
def test_a_study_has_as_many_trials_as_there_are_configs(fields: dict[str, Any], trials: int) -> None:
    assert trials_in_all(_job(**fields)) == trials


_SMALL = {"a": IntUniform(1, 3), "n": IntUniform(1, 2), "s": Switch({"on": {"q": QUniform(0, 0.2, 0.1)}, "off": {}})}
"""3 · 2 · (3 + 1) configs."""


@pytest.mark.parametrize(
    "kind", ["random", "sobol", "grid", "tpe", pytest.param("gp", marks=pytest.mark.long), "curves"]
)
def test_each_config_of_a_small_space_is_tried_once(kind: str) -> None:
    job = _job(space=_SMALL, searcher=kind, budget=Budget(trials=100), seed=3, start_with=[{"a": 2}, {"a": 2}])
    assert trials_in_all(job) == 24
    observations, starts = History(), start_configs(job)
    for index in range(24):
        keys = {key_of(one.config) for one in observations}
        config = suggestion_of_trial(job, index, observations, keys=keys, starts=starts).config
        assert fits(job.space, config)
        assert key_of(config) not in keys
        observations.append(Observation(config, "known", float(index % 5)))
    assert all_tried(job, 24) == "Every config of the space was tried: 24."
    assert all_tried(job, 23) is None


def test_a_start_has_the_values_of_its_domain() -> None:
    space = {"n": Choice([1, 2]), "o": Choice([{"a": 1, "b": 2}, None]), "fixed": [1, 2]}
    job = _job(space=space, start_with=[{"n": 1.0, "o": {"b": 2, "a": 1}, "fixed": (1, 2)}])
    assert json.dumps(drawn_configs(job, 1)[0]) == '{"n": 1, "o": {"a": 1, "b": 2}, "fixed": [1, 2]}'
    for wrong in ({"o": {"a": 1.0, "b": 2}}, {"o": []}, {"fixed": [1, 2.0]}, {"n": True}):
        with pytest.raises(InvalidJob, match="start_with"):
            job.replaced({"start_with": [wrong]})
