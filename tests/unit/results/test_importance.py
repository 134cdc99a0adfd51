"""What mattered: checked on functions whose shares of variance are known, and where nothing is known."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.results import Results
from pipeline.results.analysis.importance import importances
from pipeline.space import Choice, Switch, Uniform
from tests.small_studies import of_function


def test_shares_come_near_the_known_ones(known: Results) -> None:
    (found,) = importances(known)
    shares = {effect.names[0]: effect for effect in found.effects}
    assert [effect.names[0] for effect in found.effects[:2]] == ["a", "c"]
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
    assert list(found.pairs[0].names) == ["a", "c"]
    assert found.pairs[0].share > 0.7
    assert max(effect.share for effect in found.effects) < 0.2


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
    assert found.effects[0].names[0] == "a"
    assert 0.5 < found.effects[0].share <= 1


def test_parameters_of_a_branch_are_looked_at_among_its_trials(tmp_path: Path) -> None:
    space = {"a": Uniform(0.0, 1.0), "way": Switch({"one": {"inner": Uniform(0.0, 1.0)}, "two": {}})}
    found = importances(
        of_function(tmp_path, lambda c: 3 + c["inner"] if c["way"] == "one" else 0.2 * c["a"], space=space)
    )  # fmt: skip
    everyone, inside = found
    assert everyone.when == ()
    assert everyone.effects[0].names[0] == "way"
    assert inside.when == (("way", "one"),)
    assert inside.trials < everyone.trials == 150
    assert [effect.names[0] for effect in inside.effects] == ["inner"]
    assert inside.effects[0].share > 0.85
