"""What mattered: checked on functions whose shares of variance are known, and where nothing can be said."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.importance import importances
from pipeline.results.analysis.surface import fitted
from pipeline.space import Choice, LogUniform, Switch, Uniform, draw
from pipeline.study import Objective, layout
from tests.unit.results.studies import Recording, tune_job

SPACE = {"a": Uniform(0.0, 1.0), "b": LogUniform(0.001, 1.0), "c": Choice(("x", "y", "z")), "idle": Uniform(0.0, 1.0)}


def _study(root: Path, value: object, *, trials: int = 150, space: object = SPACE) -> Results:
    """Trials of one epoch whose objective is a function of the config."""
    job = tune_job("known", space=space, scheduler="fifo", objectives=(Objective("val_loss", "min"),))
    study, rng = Recording(root, job), np.random.default_rng(4)
    for index in range(trials):
        trial, config = layout.trial_id(index), draw(job.space, rng, index)
        study.decide(trial, 0, "start", 0.0, config_after=config)
        study.train(trial, 1, config, value(config), 1.0, val_loss=value(config))  # type: ignore[operator]
        study.decide(trial, 1, "finish", 1.0)
    study.end(2.0)
    return load_results(study.store.uri)


def test_averages_over_boxes_are_what_the_forest_says_on_average() -> None:
    """Along one axis and across two they equal the mean of the forest's answers over many points there."""
    rng = np.random.default_rng(0)
    x = rng.random((60, 3))
    y = x[:, 0] * x[:, 1] + x[:, 2]
    surface = fitted(x, y, trees=5, seed=0, whole=False)

    def says(points: np.ndarray) -> np.ndarray:
        inside = (points[:, None] >= surface.low) & (points[:, None] < surface.high)
        return inside.all(axis=2) @ surface.value

    points = rng.random((20_000, 3))
    points[:, 0] = 0.25 + 0.25 * points[:, 0]
    assert surface.along(0, 4)[1] == pytest.approx(says(points).mean(), abs=0.01)
    points[:, 2] = 0.5 * points[:, 2]
    assert surface.across((0, 2), (4, 2))[1, 0] == pytest.approx(says(points).mean(), abs=0.01)


def test_shares_come_near_the_known_ones(tmp_path: Path) -> None:
    """Of 4a + [c is x], a has 16/12 of 16/12 + 2/9 (86 %), c the rest, and what does nothing next to none of it."""
    (found,) = importances(_study(tmp_path, lambda config: 4 * config["a"] + (config["c"] == "x")))
    shares = {effect.place.name: effect for effect in found.effects}
    assert [effect.place.name for effect in found.effects[:2]] == ["a", "c"]
    assert shares["a"].share == pytest.approx(0.86, abs=0.07)
    assert shares["c"].share == pytest.approx(0.14, abs=0.07)
    assert shares["a"].low <= shares["a"].share <= shares["a"].high
    assert shares["idle"].share < 0.02
    assert found.foretold > 0.9


def test_what_two_do_together_is_told_apart_from_what_each_does(tmp_path: Path) -> None:
    """Of (a − ½)·[c is x or not], neither does anything alone, and the pair nearly all."""
    (found,) = importances(
        _study(
            tmp_path, lambda config: (config["a"] - 0.5) * (1 if config["c"] == "x" else -1), trials=300,
            space={"a": Uniform(0.0, 1.0), "c": Choice(("x", "y"))},
        )
    )  # fmt: skip
    assert found.pairs[0].names == ("a", "c")
    assert found.pairs[0].share > 0.7
    assert max(effect.share for effect in found.effects) < 0.2


def test_the_curve_of_a_hyperparameter_follows_the_function(tmp_path: Path) -> None:
    """In the logarithm, for a log-uniform one: the smallest mean lies where the function is smallest."""
    (found,) = importances(_study(tmp_path, lambda config: abs(np.log10(config["b"]) + 2) + 0.05 * config["a"]))
    effect = found.effects[0]
    assert effect.place.name == "b"
    assert effect.units[effect.means.argmin()] == pytest.approx(1 / 3, abs=0.08)
    assert (effect.means_low <= effect.means).all()
    assert (effect.means <= effect.means_high).all()


def test_noise_alone_is_not_explained(tmp_path: Path) -> None:
    """Where a forest foretells nothing, there are no shares but a reason."""
    rng = np.random.default_rng(9)
    (found,) = importances(_study(tmp_path, lambda _: float(rng.normal()), trials=60))
    assert found.effects == ()
    assert "foretells none of the 60 trials" in found.note


@pytest.mark.parametrize(
    ("trials", "value", "told"),
    [
        (8, lambda c: c["a"], "too few trials with a value: 8; with 12"),
        (20, lambda _: 1.0, "all 20 trials have the same"),
    ],
)
def test_what_cannot_be_said_has_a_reason(tmp_path: Path, trials: int, value: object, told: str) -> None:
    """Few trials, or no differences, give no numbers."""
    (found,) = importances(_study(tmp_path, value, trials=trials))
    assert (found.effects, found.pairs) == ((), ())
    assert told in found.note


def test_a_few_diverged_trials_do_not_drown_the_others(tmp_path: Path) -> None:
    """Losses of 1e30 are drawn in and counted; what matters among the rest is still found."""
    (found,) = importances(
        _study(tmp_path, lambda config: 1e30 if config["idle"] > 0.97 else config["a"])
    )  # fmt: skip
    assert found.clipped > 0
    assert found.effects[0].place.name == "a"


def test_parameters_of_a_branch_are_looked_at_among_its_trials(tmp_path: Path) -> None:
    """Where half of the trials have no `inner`, its share is of those that have it; the switch is judged by all."""
    space = {"a": Uniform(0.0, 1.0), "way": Switch({"one": {"inner": Uniform(0.0, 1.0)}, "two": {}})}
    found = importances(
        _study(tmp_path, lambda c: 3 + c["inner"] if c["way"] == "one" else 0.2 * c["a"], space=space)
    )  # fmt: skip
    everyone, inside = found
    assert everyone.when == ()
    assert everyone.effects[0].place.name == "way"
    assert inside.when == (("way", "one"),)
    assert inside.trials < everyone.trials == 150
    assert [effect.place.name for effect in inside.effects] == ["inner"]
    assert inside.effects[0].share > 0.85
