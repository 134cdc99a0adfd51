"""The searches by a Gaussian process: over learning curves, and over configs at one epoch."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.searchers import CurveSearch, GPSearch, History, Observation
from pipeline.searchers.curve_process import CurveProcess, Points
from pipeline.space import IntUniform, Switch, Uniform, draw
from tests.drawn_configs import drawn_by

GROUPS = np.array([0, 1, 2, 2, 2])


def points_of(rng, count):
    trial = np.sort(rng.integers(count // 2 + 1, size=count))
    x = rng.random((count // 2 + 1, len(GROUPS)))[trial]
    return Points(x, rng.uniform(0.02, 1.0, count), trial)


@given(seed=st.integers(0, 2**31 - 1), count=st.integers(2, 25))
def test_the_gradient_is_that_of_finite_differences(seed, count):
    rng, process = np.random.default_rng(seed), CurveProcess(GROUPS)
    at, y = points_of(rng, count), rng.normal(size=count)
    theta = process.prior + process.spread * rng.uniform(-2, 2, len(process.prior))
    value, slope = process.loss(theta, at, y)
    step = 1e-5
    for place in range(len(theta)):
        apart = step * np.eye(len(theta))[place]
        found = (process.loss(theta + apart, at, y)[0] - process.loss(theta - apart, at, y)[0]) / (2 * step)
        # A difference of two large numbers has no more digits.
        np.testing.assert_allclose(slope[place], found, rtol=1e-4, atol=1e-4 + 1e-7 * abs(value))


SPACE = {"x": Uniform(0, 1), "y": Uniform(0, 1), "s": Switch({"a": {}, "b": {"n": IntUniform(1, 4)}})}


EPOCHS = 32


def _observed(count, loss, space=SPACE):
    found = []
    for number in range(count):
        config = draw(space, np.random.default_rng(number), number)
        reached = [2, 7, EPOCHS][: 3 if number % 4 == 0 else 2 if number % 2 == 0 else 1]
        curve = tuple((epoch, loss(config, epoch)) for epoch in reached)
        state = "open" if number == count - 1 else "failed" if number % 11 == 10 else "known"
        best = min(value for _, value in curve) if state == "known" else None
        found.append(Observation(config, state, best, curve, f"{number:04d}"))
    return found


def _suggested(observations, index=40, space=SPACE, seed=0):
    return CurveSearch().suggest(space, seed=seed, index=index, history=History(observations), epochs=EPOCHS)


def _bowl(config, epoch):
    return (config["x"] - 0.3) ** 2 + (config["y"] - 0.6) ** 2 + (config["s"] == "a") + 2 / epoch


def test_a_draw_depends_only_on_its_arguments():
    observations = _observed(30, _bowl)
    first = _suggested(observations)
    # Fitted parameters are kept for a few sets of observations: these take their place.
    for count in (8, 10, 15, 20, 25):
        _suggested(_observed(count, lambda config, epoch: config["x"] + epoch), index=count)
    assert _suggested(iter(observations)) == first
    assert _suggested(observations, seed=1) != first


def test_a_config_is_judged_by_its_last_epoch():

    def crossing(config, epoch):
        return {2: 2 + config["x"], 7: 1.8}.get(epoch, 1.2 - config["x"])

    drawn = [_suggested(_observed(40, crossing), index=index).config["x"] for index in (40, 41, 42)]
    assert min(drawn) > 0.6


def test_running_trials_are_predicted_and_not_drawn_again():
    observations = _observed(30, _bowl)
    drawn = []
    for index in (40, 41, 42, 44):
        config = _suggested(observations, index=index).config
        observations.append(Observation(config, "open"))
        drawn.append((config["x"], config["y"]))
    apart = [np.hypot(a - c, b - d) for k, (a, b) in enumerate(drawn) for c, d in drawn[:k]]
    assert min(apart) > 0.01


_LINE = {"x": Uniform(0, 1)}


def _tried(at, state="known"):
    return [Observation({"x": x}, state, (x - 0.3) ** 2 if state == "known" else None) for x in at]


def _drawn(observations):
    return drawn_by(GPSearch(), _LINE, seed=0, index=30, observations=observations)


def test_it_looks_where_nothing_is_known():
    at = [*np.linspace(0, 0.3, 10), *np.linspace(0.8, 1, 7)]
    waves = [Observation({"x": float(x)}, "known", float(np.cos(30 * x))) for x in at]
    assert 0.32 < float(_drawn(waves)["x"]) < 0.78


@pytest.mark.parametrize(("busy", "other"), [(0.3, 0.8), (0.8, 0.3)])
def test_it_draws_elsewhere_than_many_running_trials(busy, other):
    valleys = {0.0: 1.0, 0.1: 0.5, 0.2: 0.0, 0.4: 0.0, 0.5: 0.6, 0.6: 0.5, 0.7: 0.0, 0.9: 0.0, 1.0: 0.5}
    known = [Observation({"x": x}, "known", loss) for x, loss in valleys.items()]
    running = _tried(np.linspace(busy - 0.1, busy + 0.1, 40).tolist(), "open")
    assert abs(float(_drawn([*known, *running])["x"]) - other) < 0.1
