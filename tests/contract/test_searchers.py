"""Properties of every searcher."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import InvalidJob
from pipeline.searchers import SEARCHERS, AnySearcher, Observation, RandomSearch, SearcherSettings
from pipeline.space import Choice, Config, Grid, IntUniform, LogUniform, QUniform, Switch, Uniform, fits
from tests.drawn_configs import drawn_by

LISTED = {"a": Grid([1, 2, 3]), "b": Choice(["x", "y"]), "fixed": 0.5, "c": Grid([True, False])}

BRANCHES = {
    "plain": {},
    "deep": {"g": Grid([1, 2]), "inner": Switch({"no": {}, "yes": {"h": Choice([1.5, 2.5]), "i": "fixed"}})},
    "other": {"g": Grid([2, 3])},
}

_NUMBERS = {"warm": Uniform(0, 1), "decay": LogUniform(0.01, 1), "k": IntUniform(0, 9)}

ENDLESS = {
    **LISTED,
    "layers": Choice([None, [64, 32], {"units": [8]}, "auto"]),
    "shape": [3, {"deep": True}],
    "lr": LogUniform(1e-4, 1),
    "u": Uniform(-1, 1),
    "n": IntUniform(1, 5),
    "q": QUniform(0, 1, 0.1),
    "s": Switch({**BRANCHES, "rates": _NUMBERS}),
}

SQUARE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}

_NUMBERED = {"n": IntUniform(1, 9, log=True, step=4), "m": IntUniform(-1, 1), "q": QUniform(-0.3, 0.3, 0.3)}
_COUNTABLE = {**LISTED, **_NUMBERED, "s": Switch(BRANCHES)}
_LEARNING = ("curves", "gp", "motpe", "tpe")


@pytest.fixture(params=SEARCHERS, scope="module")
def settings(request: pytest.FixtureRequest) -> SearcherSettings:
    return SEARCHERS[request.param]()


def _space(settings: SearcherSettings) -> dict[str, Any]:
    return ENDLESS if not settings.faults(ENDLESS) else _COUNTABLE


def _loss(config: Config) -> float:
    numbers = [float(value) for value in config.values() if isinstance(value, int | float)]
    return sum((number - 0.3) ** 2 for number in numbers) + (config["s"] != "rates")


def _tried(settings: SearcherSettings) -> list[Observation]:
    return list(_observations(settings.kind))


@cache
def _observations(kind: str) -> Sequence[Observation]:
    settings, observations = SEARCHERS[kind](), list[Observation]()
    for index in range(20):
        config = drawn_by(settings, _space(settings), seed=0, index=index, observations=observations)
        state = "open" if index == 19 else "failed" if index % 7 == 3 else "known"
        observations.append(Observation(config, state, _loss(config) if state == "known" else None))
    return observations


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_config_i_depends_on_seed_and_i_alone(settings: SearcherSettings, seed: int) -> None:
    space = _space(settings)
    forwards = [drawn_by(settings, space, seed=seed, index=i) for i in range(20)]
    backwards = [drawn_by(SEARCHERS[settings.kind](), space, seed=seed, index=i) for i in reversed(range(20))]
    assert forwards == backwards[::-1]


def test_only_learning_searchers_use_observations(settings: SearcherSettings) -> None:
    observations = _tried(settings)
    drawn = drawn_by(settings, _space(settings), seed=0, index=20, observations=observations)
    assert (drawn != drawn_by(settings, _space(settings), seed=0, index=20)) == (settings.kind in _LEARNING)
    assert all(fits(_space(settings), one.config) for one in observations)
    assert len({one.config["s"] for one in observations}) > 2


def test_configs_that_still_train_are_not_drawn_again(settings: SearcherSettings) -> None:
    observations = _tried(settings)
    for index in range(20, 24):
        config = drawn_by(settings, _space(settings), seed=0, index=index, observations=observations)
        observations.append(Observation(config, "open"))
    assert len({json.dumps(one.config) for one in observations[-5:]}) == 5


@pytest.mark.parametrize("losses", [[None], [0.1], [1e300], [-1e300, 1e300], [1e-300, 1.0]])
def test_configs_are_drawn_after_failures_and_extreme_values(
    settings: SearcherSettings, losses: list[float | None]
) -> None:
    space, observations = _space(settings), []
    for index in range(30):
        loss = losses[index % len(losses)]
        config = drawn_by(settings, space, seed=0, index=index)
        observations.append(Observation(config, "failed" if loss is None else "known", loss))
    assert fits(space, drawn_by(settings, space, seed=0, index=30, observations=observations))


@given(seed=st.integers(0, 2**31 - 1), index=st.integers(0, 10**6))
def test_values_are_in_the_space(settings: SearcherSettings, seed: int, index: int) -> None:
    space = _space(settings)
    config = drawn_by(settings, space, seed=seed, index=index)
    assert fits(space, config)
    assert [name for name in config if name in space] == list(space)
    assert json.loads(json.dumps(config)) == config


def test_as_many_configs_as_promised_are_drawn(settings: SearcherSettings) -> None:
    space = _space(settings)
    size = settings.size(space)
    drawn = {json.dumps(drawn_by(settings, space, seed=3, index=i)) for i in range(50 if size is None else size)}
    assert len(drawn) == (50 if size is None else size)


@pytest.mark.parametrize("known", [0, 20])
def test_a_space_of_constants_is_one_config(settings: SearcherSettings, known: int) -> None:
    assert settings.faults({"a": 1}) == []
    assert drawn_by(
        settings, {"a": 1}, seed=0, index=5, observations=[Observation({"a": 1}, "known", 0.5)] * known
    ) == {"a": 1}


def _halved(count: int) -> list[Observation]:
    observations = []
    for index in range(count):
        config = drawn_by(RandomSearch(), SQUARE, seed=0, index=index)
        early, late = 1.0 + float(config["x"]), 1.0 - float(config["x"])
        curve = ((1, early), (9, late)) if index % 2 else ((1, early),)
        observations.append(Observation(config, "open" if index == count - 1 else "known", curve[-1][1], curve))
    return observations


@pytest.mark.parametrize("kind", ["gp", "tpe"])
def test_values_of_different_rungs_are_not_mixed(kind: str) -> None:
    settings, observations = SEARCHERS[kind](), _halved(60)
    drawn = drawn_by(settings, SQUARE, seed=0, index=60, observations=observations)
    late = [Observation(one.config, "known", one.curve[1][1]) for one in observations if len(one.curve) == 2]
    assert drawn == drawn_by(settings, SQUARE, seed=0, index=60, observations=late)


_REFUSED = {
    "tpe": [{"startup": 0}, {"candidates": 1.5}, {"other": 1}],
    "curves": [{"startup": True}],
    "gp": [{"candidates": "9"}],
    "ray.tune.search": [{}],
    "ray.tune.schedulers.ASHAScheduler": [{}],
}


@pytest.mark.parametrize(("kind", "fields"), [(kind, fields) for kind, all_ in _REFUSED.items() for fields in all_])
def test_settings_out_of_their_range_are_refused(kind: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnySearcher).validate_python({"kind": kind, **fields})


def test_settings_survive_json(settings: SearcherSettings) -> None:
    settings = replace(settings, **{name: 7 for name in ("startup", "candidates") if hasattr(settings, name)})
    adapter = TypeAdapter(AnySearcher)
    assert adapter.validate_json(adapter.dump_json(settings)) == settings


def test_a_searcher_of_ray_is_known_by_its_path_and_used_where_trials_train() -> None:
    searcher = TypeAdapter(AnySearcher).validate_python({"kind": "ray.tune.search.optuna.OptunaSearch"})
    assert [fault.field for fault in searcher.faults({"s": Switch({"a": {}})})] == ["searcher"]
    assert (searcher.faults(SQUARE), searcher.resumes) == ([], False)
    with pytest.raises(InvalidJob):
        drawn_by(searcher, SQUARE, seed=0, index=0)
