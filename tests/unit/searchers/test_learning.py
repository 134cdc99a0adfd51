"""What searchers find and draw, and which observations they choose."""

import math
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import optuna
import pytest

from pipeline.searchers import SEARCHERS, GridSearch, History, MOTPESearch, Observation, RandomSearch, SearcherSettings
from pipeline.searchers.base import MAX_OBSERVATIONS
from pipeline.space import Choice, Config, Grid, IntUniform, ListedDomain, LogUniform, Switch, Uniform, compose, draw
from tests.drawn_configs import drawn_by

SQUARE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}
"""Of two losses, the front is where y is 0.2; x trades one loss for the other."""

_SWITCHED = {
    "lr": LogUniform(1e-4, 1),
    "schedule": Switch(
        {"constant": {}, "exponential": {"decay": LogUniform(0.01, 1)}, "cosine": {"period": IntUniform(1, 9)}}
    ),
}


def _branin(config: Config) -> float:
    x, y = 15 * float(config["x"]) - 5, 15 * float(config["y"])
    hill = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return hill + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def _switched(config: Config) -> float:
    worse = {"constant": 2.0, "exponential": 1.0, "cosine": 0.0}[str(config["schedule"])]
    inner = abs(float(config["period"]) - 5) / 5 if "period" in config else abs(float(config.get("decay", 1)) - 0.3)
    return worse + abs(math.log10(float(config["lr"]) / 0.03)) + inner


def _median_of_best(kind: str, space: dict[str, Any], loss: Any, trials: int) -> float:
    best = []
    for seed in range(5):
        observations: list[Observation] = []
        for index in range(trials):
            config = drawn_by(SEARCHERS[kind](), space, seed=seed, index=index, observations=observations)
            observations.append(Observation(config, "known", loss(config)))
        best.append(min(one.loss for one in observations if one.loss is not None))
    return median(best)


@pytest.mark.parametrize(("kind", "space", "loss", "trials"), [
    ("curves", SQUARE, _branin, 25),
    ("curves", _SWITCHED, _switched, 25),
    ("gp", SQUARE, _branin, 20),
    ("tpe", _SWITCHED, _switched, 30),
])  # fmt: skip
def test_it_beats_chance(kind: str, space: dict[str, Any], loss: Any, trials: int) -> None:
    found, at_random = (_median_of_best(each, space, loss, trials) for each in (kind, "random"))
    assert found < at_random


def _tried(settings: SearcherSettings, *, most: float = math.inf) -> list[Observation]:
    observations: list[Observation] = []
    for index in range(60):
        config = drawn_by(settings, SQUARE, seed=0, index=index, observations=observations)
        x, away = float(config["x"]), 4 * (float(config["y"]) - 0.2) ** 2
        both = x + away, 1 - x + away
        violation = max(0.0, (both[1] - most) / most) if most < math.inf else 0.0
        observations.append(Observation(config, "known", both[0], losses=both, violation=violation))
    return observations[30:]


def test_it_learns_the_front_of_both_objectives_within_their_bounds() -> None:
    away, at_random = (
        float(np.mean([abs(float(one.config["y"]) - 0.2) for one in _tried(each)]))
        for each in (MOTPESearch(), RandomSearch())
    )
    assert away < 0.6 * at_random
    inside, at_random = (
        sum(one.violation == 0 for one in _tried(each, most=0.3)) for each in (MOTPESearch(), RandomSearch())
    )
    assert inside > 2 * at_random


@pytest.mark.parametrize("kind", ["gp", "tpe"])
def test_the_first_configs_are_those_of_random_search(kind: str) -> None:
    at_random = drawn_by(RandomSearch(), SQUARE, seed=0, index=30)
    configs = [drawn_by(RandomSearch(), SQUARE, seed=0, index=index) for index in range(12)]
    tried = [Observation(config, "known", float(config["x"])) for config in configs]
    searcher = SEARCHERS[kind](startup=12)
    for known in (tried[:11], [Observation(config, "open") for config in configs]):
        assert drawn_by(searcher, SQUARE, seed=0, index=30, observations=known) == at_random
    assert drawn_by(searcher, SQUARE, seed=0, index=30, observations=tried) != at_random


@pytest.mark.parametrize("kind", ["motpe", "tpe"])
def test_every_second_draw_is_random_before_the_last_epoch(kind: str) -> None:
    values = ((1, (0.5, 0.5), 0.0), (4, (0.4, 0.4), 0.0))
    before = History(
        Observation(config, "known", 0.4, ((1, 0.5), (4, 0.4)), losses=(0.4, 0.4), milestone_values=values)
        for config in (drawn_by(RandomSearch(), SQUARE, seed=0, index=index) for index in range(20))
    )
    for epochs, expected in ((9, [False, True]), (4, [False, False])):
        drawn = [SEARCHERS[kind]().suggest(SQUARE, seed=0, index=i, history=before, epochs=epochs) for i in (20, 21)]
        same = [one.config == drawn_by(RandomSearch(), SQUARE, seed=0, index=20 + i) for i, one in enumerate(drawn)]
        assert same == expected


_DEEP = {
    "lr": LogUniform(1e-4, 1),
    "kind": Choice(["a", [1, 2]]),
    "schedule": Switch({"constant": {}, "cyclic": {"period": IntUniform(1, 9)}}),
    "fixed": 3,
}


def _suggested_by_a_plain_study(space: Any, sampler: Any, known: Any) -> Config:
    losses = max((len(trial.values) for trial in known if trial.values), default=1)
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * losses)
    for trial in known:
        fields = {"state": trial.state, "values": trial.values, "constraints": trial.constraints}
        parameters = {"params": trial.params, "distributions": trial.distributions}
        study.add_trial(optuna.trial.create_trial(**fields, **parameters))
    asked = study.ask()
    return compose(
        space,
        lambda each: (
            each.domain.nth(asked.suggest_categorical(each.path, range(len(each.domain.values))))
            if isinstance(each.domain, ListedDomain)
            else each.domain.from_unit(asked.suggest_float(each.path, 0.0, 1.0))
        ),
    )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("searcher", ["tpe", "motpe"])
def test_a_draw_is_that_of_a_study_that_stores_the_trials_itself(
    monkeypatch: pytest.MonkeyPatch, searcher: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tried = [
        Observation(draw(_DEEP, rng, 0), state, loss, losses=(loss, 9 - loss), violation=loss % 3)
        if state == "known"
        else Observation(draw(_DEEP, rng, 0), state)
        for state in rng.permutation(["known"] * 20 + ["failed", "open"] * 3).tolist()
        for loss in [float(rng.integers(0, 9))]
    ]

    def drawn() -> list[Config]:
        draws = (
            drawn_by(SEARCHERS[searcher](), _DEEP, seed=seed, index=index, observations=tried) for index in range(4)
        )
        return list(draws)

    ours = drawn()
    monkeypatch.setattr("pipeline.searchers.tpe.sampled", _suggested_by_a_plain_study)
    assert drawn() == ours


def test_random_search_runs_through_grids() -> None:
    space = {"g": Grid([1, 2, 3]), "c": Choice([0, 1]), "u": Uniform(0, 1)}
    configs = [drawn_by(RandomSearch(), space, seed=0, index=i) for i in range(300)]
    assert [config["g"] for config in configs] == [1, 2, 3] * 100
    assert 100 < sum(config["c"] for config in configs) < 200
    assert math.isclose(sum(config["u"] for config in configs) / 300, 0.5, abs_tol=0.06)


def test_the_grid_refuses_endless_domains_by_name() -> None:
    (fault,) = GridSearch().faults(
        {"n": IntUniform(1, 5), "lr": Uniform(0, 1), "s": Switch({"a": {"u": Uniform(0, 1)}})}
    )
    assert (fault.field, "lr, s.a.u" in fault.allowed) == ("searcher", True)


_SPACE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}


def _known(number: int, loss: float, epoch: int = 1) -> Observation:
    config = {"x": number % 97 / 97, "y": number % 89 / 89}
    return Observation(config, "known", loss, ((epoch, loss),), f"{number:04d}", ended=True)


def test_of_many_the_best_the_newest_and_the_running_ones_are_chosen() -> None:
    tried = [
        replace(_known(number, 1 + abs(number - 700) / 1000, epoch=4 if number in (20, 30) else 1), ended=False)
        for number in range(2000)
    ]
    tried[5] = Observation({"x": 0.5, "y": 0.5}, "open", trial_id="0005")
    assert History(tried[:1000]).chosen() == tried[:1000]
    chosen = History(tried).chosen(best=5, newest=50)
    numbers = [int(one.trial_id) for one in chosen]
    assert numbers == sorted(numbers)
    assert {5, 20, 30, 700, *range(1950, 2000)} <= set(numbers)
    assert MAX_OBSERVATIONS - 60 <= len(numbers) <= MAX_OBSERVATIONS
    assert 350 < sum(number < 1000 for number in numbers) < 650


@pytest.mark.parametrize("searcher", ["tpe", "gp", "curves"])
def test_a_draw_uses_a_part_of_a_long_study(searcher: str) -> None:

    class Counted(History):
        read = 0

        def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
            found = super().__getitem__(index)
            Counted.read += len(found) if isinstance(found, list) else 1
            return found

        def __iter__(self):
            raise AssertionError("all observations are read")

    tried = Counted(
        _known(number, (number % 97 / 97 - 0.3) ** 2 + (number % 89 / 89 - 0.6) ** 2) for number in range(3000)
    )
    Counted.read = 0
    SEARCHERS[searcher]().suggest(_SPACE, seed=0, index=3000, history=tried, epochs=1)
    assert 0 < Counted.read <= 2 * MAX_OBSERVATIONS
