"""The fit of the curve process, and the earlier studies that count."""

import math
from collections.abc import Callable

import numpy as np

from pipeline.searchers import Observation
from pipeline.searchers.curve_fit import curve_fit
from pipeline.searchers.curve_process import CurveProcess
from pipeline.searchers.earlier_studies import EarlierStudy
from pipeline.searchers.history import History
from pipeline.space import Cube, Uniform

CUBE = Cube({"x": Uniform(0, 1), "y": Uniform(0, 1)})
EPOCHS = 10


def _tried(count: int, loss: Callable[[float, float], float], *, seed: int = 0) -> list[Observation]:
    """Trials at random places, each with losses at epoch 2 and at its end."""
    trials = []
    for number, (x, y) in enumerate(np.random.default_rng(seed).random((count, 2)).tolist()):
        curve = ((2, loss(x, y) + 0.2), (EPOCHS, loss(x, y)))
        trials.append(Observation({"x": x, "y": y}, "known", loss(x, y), curve, f"{number:04d}"))
    return trials


def _wave(x: float, y: float) -> float:
    return math.sin(3 * x) + y


def _opposite(x: float, y: float) -> float:
    return -_wave(x, y)


def test_before_the_first_value_the_parameters_are_the_prior() -> None:
    """If neither this study nor an earlier one has a value, no parameters are fitted."""
    for history in (History(), History([Observation({"x": 0.5, "y": 0.5}, "open")])):
        fit = curve_fit(CUBE, history, [], EPOCHS)
        np.testing.assert_array_equal(fit.theta, CurveProcess(CUBE.groups).prior)
        assert (list(fit.counted), fit.factors) == ([], [])


def test_the_parameters_stay_until_there_are_enough_new_trials() -> None:
    """Parameters are fitted again after a fifth more trials, not after each trial."""
    trials = _tried(15, _wave)
    thetas = [curve_fit(CUBE, History(trials[:count]), [], EPOCHS).theta for count in (12, 13, 14, 15)]
    np.testing.assert_array_equal(thetas[0], thetas[1])
    np.testing.assert_array_equal(thetas[1], thetas[2])
    assert not np.array_equal(thetas[2], thetas[3])


def test_an_earlier_study_that_misleads_does_not_count() -> None:
    """Of two earlier studies the one with the opposite values does not count: its factor is 0."""
    history = History(_tried(20, _wave))
    earlier = [EarlierStudy("opposite", _tried(20, _opposite, seed=1)), EarlierStudy("same", _tried(20, _wave, seed=2))]
    fit = curve_fit(CUBE, history, earlier, EPOCHS)
    assert list(fit.counted) == [1]
    assert fit.factors[0] == 0
    assert fit.factors[1] > 0.5

    misled = curve_fit(CUBE, history, earlier[:1], EPOCHS)
    assert (list(misled.counted), misled.factors) == ([], [0.0])
    np.testing.assert_array_equal(misled.theta, curve_fit(CUBE, history, [], EPOCHS).theta)


def test_every_earlier_study_counts_before_there_are_values_to_judge_it_by() -> None:
    """With fewer than four trials with values, no earlier study is found not to count."""
    earlier = [EarlierStudy("opposite", _tried(20, _opposite, seed=1))]
    for count, counted in ((0, [0]), (3, [0]), (20, [])):
        assert list(curve_fit(CUBE, History(_tried(count, _wave)), earlier, EPOCHS).counted) == counted
