"""Curves by a formula."""

import numpy as np
import pytest

from pipeline.simulation.synthetic_curves import SyntheticCurves
from pipeline.space import draw
from pipeline.study import Budget, Objective
from tests.unit.simulation.simulation_inputs import SPACE, job


def _curves(seed: int = 0, count: int = 300, **fields):
    tuned = job(**{"seed": seed, "budget": Budget(trials=count, epochs=20), **fields})
    made = SyntheticCurves(tuned, seconds_per_epoch=2.0, seconds_per_start=0.5)
    configs = [draw(tuned.space, np.random.default_rng([seed, index])) for index in range(count)]
    return configs, [made.curve(index, 1, config) for index, config in enumerate(configs)]


def test_a_curve_depends_on_seed_and_number():
    """A curve depends only on seed and number, whatever was requested before."""
    configs, found = _curves()
    tuned = job(budget=Budget(trials=300, epochs=20))
    again = SyntheticCurves(tuned, seconds_per_epoch=2.0, seconds_per_start=0.5)
    assert again.curve(7, 1, configs[7]) == found[7]
    assert again.curve(8, 1, configs[7]).values != found[7].values
    assert _curves(seed=1)[1][7].values != found[7].values


def test_models_learn():
    """Synthetic values are rates from 0 to 1 that improve apart from noise, mostly from the first epoch."""
    _, found = _curves()
    values = np.array([curve.values for curve in found])
    levels = np.array([curve.levels for curve in found])
    assert values.shape == (300, 20)
    assert values.min() >= 0
    assert values.max() <= 1
    assert (np.diff(levels, axis=1) >= 0).all()
    # Trials that improve late are at the start what they were before.
    late = (levels[:, 1] == levels[:, 0]).mean()
    assert 0.05 < late < 0.15


def test_curves_that_rise_late_overtake():
    """The order of curves after a tenth of the epochs is similar to the final order, but not the same."""
    values = np.array([curve.levels for curve in _curves()[1]])
    agreement = np.corrcoef(values[:, 1].argsort().argsort(), values[:, -1].argsort().argsort())[0, 1]
    assert 0.3 < agreement < 0.95


def test_configs_matter():
    """Similar configs have more similar final values than random ones, so that a searcher can learn."""
    configs, found = _curves(space={"x": SPACE["x"], "lr": SPACE["lr"]})
    x = np.array([[config["x"], np.log10(config["lr"]) / 4 + 1] for config in configs])
    final = np.array([curve.levels[-1] for curve in found])
    apart = np.linalg.norm(x[:, None] - x, axis=2) + 10 * np.eye(len(x))
    nearest = np.abs(final - final[apart.argmin(axis=1)]).mean()
    any_two = np.abs(final[:, None] - final).mean()
    assert nearest < 0.6 * any_two


def test_minimised_curves_are_one_less_the_maximised():
    """Each value of a minimised objective is 1 minus the value of the maximised one."""
    _, up = _curves()
    _, down = _curves(objectives=[Objective("score", "min")])
    assert [curve.values for curve in down] == [pytest.approx([1 - value for value in one.values]) for one in up]


def test_epochs_take_the_given_time_on_average():
    """Epochs take different times with the option's mean, and a start takes its option's time."""
    _, found = _curves()
    seconds = np.array([curve.seconds[0] for curve in found])
    assert seconds.mean() == pytest.approx(2.0, rel=0.05)
    assert seconds.std() > 0.2
    assert {curve.start for curve in found} == {0.5}


def test_a_space_that_draws_nothing_has_curves():
    """Trials of a space without drawn parameters differ by chance alone."""
    tuned = job(space={"x": 0.5}, trial_seeds=True)
    made = SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)
    assert made.curve(0, 1, {"x": 0.5}).values != made.curve(1, 1, {"x": 0.5}).values
