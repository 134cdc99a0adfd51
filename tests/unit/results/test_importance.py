"""What mattered: checked on functions whose shares of variance are known, and where nothing is known."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.importance import best_range, importances
from pipeline.space import Choice, Grid, Switch, Uniform
from pipeline.study import Objective, layout
from tests.unit.results.small_studies import of_function
from tests.unit.results.studies import Recording, tune_job


def test_shares_come_near_the_known_ones(known: Results) -> None:
    (found,) = importances(known)
    shares = {effect.parameter.name: effect for effect in found.effects}
    assert [effect.parameter.name for effect in found.effects[:2]] == ["a", "c"]
    assert shares["a"].share == pytest.approx(0.86, abs=0.07)
    assert shares["c"].share == pytest.approx(0.14, abs=0.07)
    assert shares["a"].low <= shares["a"].share <= shares["a"].high
    assert shares["idle"].share < 0.02
    assert found.r_squared > 0.9


def test_interactions_are_distinct_from_single_effects(tmp_path: Path) -> None:
    (found,) = importances(
        of_function(
            tmp_path, lambda config: (config["a"] - 0.5) * (1 if config["c"] == "x" else -1), trials=300,
            space={"a": Uniform(0.0, 1.0), "c": Choice(("x", "y"))},
        )
    )  # fmt: skip
    assert found.pairs[0].names == ("a", "c")
    assert found.pairs[0].share > 0.7
    assert max(effect.share for effect in found.effects) < 0.2


def test_the_curve_of_a_hyperparameter_follows_the_function(tmp_path: Path) -> None:
    (found,) = importances(of_function(tmp_path, lambda config: abs(np.log10(config["b"]) + 2) + 0.05 * config["a"]))
    effect = found.effects[0]
    assert effect.parameter.name == "b"
    assert np.log10(effect.values[effect.means.argmin()]) == pytest.approx(-2, abs=0.25)
    assert (effect.means_low <= effect.means).all()
    assert (effect.means <= effect.means_high).all()


def test_noise_alone_is_not_explained(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    (found,) = importances(of_function(tmp_path, lambda _: float(rng.normal()), trials=60))
    assert found.effects == ()
    assert found.note
    assert found.r_squared < 0.1 or found.low <= 0


@pytest.mark.parametrize(
    ("trials", "value", "reported"),
    [
        (8, lambda c: c["a"], "Too few trials with a value: 8; at least 12"),
        (20, lambda _: 1.0, "All 20 trials have the same"),
    ],
)
def test_an_unknown_importance_has_a_reason(tmp_path: Path, trials: int, value: object, reported: str) -> None:
    (found,) = importances(of_function(tmp_path, value, trials=trials))
    assert (found.effects, found.pairs) == ((), ())
    assert reported in found.note


def test_each_hyperparameter_takes_three_trials(tmp_path: Path) -> None:
    space = {f"p{number}": Uniform(0.0, 1.0) for number in range(6)}
    (few,) = importances(of_function(tmp_path / "few", lambda config: config["p0"], trials=17, space=space))
    assert "at least 18" in few.note
    (enough,) = importances(of_function(tmp_path / "enough", lambda config: config["p0"], trials=18, space=space))
    assert "at least" not in enough.note


@pytest.mark.parametrize("later", [5, 20])
def test_trials_with_values_of_an_earlier_domain_do_not_count(tmp_path: Path, later: int) -> None:
    rng = np.random.default_rng(0)
    space = {"a": Uniform(0.0, 1.0), "c": Choice(("x", "y"))}
    job = tune_job("changed", space=space, scheduler="fifo", objectives=(Objective("val_loss", "min"),))
    study = Recording(tmp_path, job)
    for index in range(700 + later):
        config = {"a": float(rng.random()), "c": ("old", "older")[index % 2] if index < 700 else ("x", "y")[index % 2]}
        study.train(layout.trial_id(index), 1, config, config["a"], 1.0, val_loss=config["a"])
        study.decide(layout.trial_id(index), 1, "finish", 1.0)
    study.end(2.0)
    (found,) = importances(load_results(study.store.uri))
    assert (found.trials, found.used) == (later, later if later == 20 else 0)
    if later < 20:
        assert found.note


@pytest.mark.parametrize(
    ("value", "clipped"),
    [
        pytest.param(lambda config: 1e30 if config["idle"] > 0.97 else config["a"], True, id="diverged"),
        pytest.param(lambda config: 0.02 if config["a"] < 0.88 else 0.7, False, id="a minority is poor"),
        pytest.param(lambda config: 0.02 if config["a"] < 0.5 else 1e300, False, id="no float holds the squares"),
    ],
)
def test_extreme_values_do_not_drown_the_others(
    tmp_path: Path, value: Callable[[Mapping[str, Any]], float], clipped: bool
) -> None:
    (found,) = importances(of_function(tmp_path, value))
    assert (found.clipped > 0) == clipped
    assert found.effects[0].parameter.name == "a"
    assert 0.5 < found.effects[0].share <= 1


def test_parameters_of_a_branch_are_looked_at_among_its_trials(tmp_path: Path) -> None:
    space = {"a": Uniform(0.0, 1.0), "way": Switch({"one": {"inner": Uniform(0.0, 1.0)}, "two": {}})}
    found = importances(
        of_function(tmp_path, lambda c: 3 + c["inner"] if c["way"] == "one" else 0.2 * c["a"], space=space)
    )  # fmt: skip
    everyone, inside = found
    assert everyone.when == ()
    assert everyone.effects[0].parameter.name == "way"
    assert inside.when == (("way", "one"),)
    assert inside.trials < everyone.trials == 150
    assert [effect.parameter.name for effect in inside.effects] == ["inner"]
    assert inside.effects[0].share > 0.85


def test_shares_are_of_the_objectives_variance(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    (found,) = importances(
        of_function(
            tmp_path, lambda c: c["a"] * np.sqrt(12) + float(rng.normal()), trials=500, space={"a": Uniform(0.0, 1.0)}
        )
    )
    (effect,) = found.effects
    assert effect.share <= found.r_squared
    assert found.low < found.r_squared < found.high
    assert 0.15 < effect.share < 0.55
    assert effect.low <= effect.share <= effect.high < 0.7


def test_many_values_without_an_order_have_no_best_range() -> None:
    names, numbers = Choice(tuple(f"act_{letter}" for letter in "abcdefghijkl")), Grid(tuple(range(12)))
    means = np.full(12, 0.9)
    means[[1, 10]] = 0.1, 0.12
    assert best_range(names, names.values, means, "min") == "act_b"
    assert best_range(numbers, numbers.values, means, "min") == "1 to 10"
    assert best_range(names, (*range(1, 12), 0), means, "min") == "2"


def test_the_most_influential_of_many_hyperparameters_are_analysed(wide: Results) -> None:
    (found,) = importances(wide)
    assert (len(found.effects), found.left_out) == (20, 40)
    assert found.effects[0].parameter.name == "p41"
    assert found.effects[0].share > 0.8
    assert max(effect.share for effect in found.effects[1:]) < 0.02


def test_noise_among_many_hyperparameters_is_not_explained(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    space = {f"p{number:03d}": Uniform(0.0, 1.0) for number in range(150)}
    (found,) = importances(of_function(tmp_path, lambda _: float(rng.normal()), trials=80, space=space))
    assert found.effects == ()
    assert found.note


@pytest.mark.long
def test_the_hyperparameters_of_a_branch_come_before_those_around_it(tmp_path: Path) -> None:
    branches = {"one": {"inner": Uniform(0.0, 1.0), "other": Uniform(0.0, 1.0)}, "two": {}}
    space = {f"p{number:02d}": Uniform(0.0, 1.0) for number in range(40)} | {"way": Switch(branches)}
    everyone, inside = importances(of_function(tmp_path, lambda c: c["p30"], trials=240, space=space))
    assert everyone.left_out == 21
    assert ({effect.parameter.name for effect in inside.effects}, inside.left_out) == ({"inner", "other"}, 0)
