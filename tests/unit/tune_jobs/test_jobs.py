"""What bundled jobs compute: surfaces and their minimisers, learning rate schedules, and the tutorial's network."""

import itertools
import math
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline import load_results, run
from tests.cases import cases
from tune_jobs import beale_minimise, beale_search
from tune_jobs.beale import descend
from tune_jobs.beale_optimisers import EPOCHS as WALK_EPOCHS, walk
from tune_jobs.mnist_schedules import JOB, build_model, callbacks, rate_of
from tune_jobs.networks import optimiser_of, tutorial_network
from tune_jobs.surfaces import SURFACES

EPOCHS = JOB.budget.epochs


@pytest.mark.parametrize("name", SURFACES)
def test_a_surface_has_its_minima_and_its_gradient_and_is_searched_and_minimised(name: str) -> None:
    surface = SURFACES[name]
    minima = np.array(surface.minima)
    np.testing.assert_allclose(surface.value(minima), surface.value(minima)[0], atol=1e-6)
    places, step = surface.starts(5), 1e-6
    for axis in (0, 1):
        aside = np.eye(2)[axis] * step
        slopes = (surface.value(places + aside) - surface.value(places - aside)) / (2 * step)
        np.testing.assert_allclose(surface.gradient(places)[:, axis], slopes, rtol=1e-5, atol=1e-4)
    job = beale_search.search(name)
    assert (job.space["x"].low, job.space["y"].high) == (surface.x[0], surface.y[1])
    place = {"surface": name, "x": surface.minima[0][0], "y": surface.minima[0][1]}
    assert beale_search.look(place)["distance"] == 0
    *_, last = beale_minimise.iterations({"surface": name, "method": "L-BFGS-B"})
    assert last["value"] < surface.value(surface.starts(1))[0]


@pytest.mark.parametrize("searcher", cases(["random", "sobol", "tpe", "gp"], ["tpe"]))
def test_every_searcher_gets_into_the_valley(searcher: str, tmp_path: Path) -> None:
    job = beale_search.JOB.replaced({"searcher": searcher, "budget.trials": 48, "resources.workers": 0})
    run(job, storage=tmp_path)
    best = load_results(tmp_path / job.name).best
    assert best is not None
    assert best.value < 1


def test_a_walk_of_momentum_is_kerass_and_arrives() -> None:
    steps = list(islice(walk({"surface": "beale", "walker": "momentum", "lr": 0.02, "momentum": 0.9}), WALK_EPOCHS))
    for found, expected in zip(steps[:5], descend({"lr": 0.02, "momentum": 0.9}), strict=False):
        assert (found["x"], found["y"]) == pytest.approx((expected["x"], expected["y"]), abs=1e-3)
    assert steps[-1]["arrived"] >= 0.5
    assert steps[-1]["slots"] == 1


def _rates(config: dict, epochs: int = EPOCHS) -> list[float]:
    return [rate_of(epoch, {"lr": 0.1, **config}, epochs=epochs) for epoch in range(epochs)]


def test_schedules_are_the_tutorials() -> None:
    pinned = next(config for config in JOB.start_with if config["schedule"] == "exponential")
    assert _rates(dict(pinned)) == pytest.approx([0.1 * math.exp(-0.1 * epoch) for epoch in range(EPOCHS)])
    assert _rates({"schedule": "step", "drop": 0.5, "every": 3}, 7) == pytest.approx([0.1] * 3 + [0.05] * 3 + [0.025])
    rates = _rates({"schedule": "cosine"}, 20)
    assert (rates[0], rates[10]) == (0.1, pytest.approx(0.05))
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(("multiplier", "starts"), [(1, [0, 4, 8, 12, 16]), (2, [0, 4, 12])])
def test_restarts_bring_the_rate_back(multiplier: int, starts: list[int]) -> None:
    rates = _rates({"schedule": "restarts", "cycle": 4, "multiplier": multiplier}, 20)
    assert [epoch for epoch, rate in enumerate(rates) if rate == 0.1] == starts
    rises = [epoch + 1 for epoch, (before, after) in enumerate(itertools.pairwise(rates)) if after >= before]
    assert rises == starts[1:]


def test_schedules_are_set_by_a_callback() -> None:
    config = {"lr": 0.2, "schedule": "step", "drop": 0.5, "every": 1}
    model, seen = build_model(config), []
    hooks = keras.callbacks.CallbackList(callbacks(config), model=model, epochs=3, steps=1, verbose=0)
    for epoch in range(3):
        hooks.on_epoch_begin(epoch)
        seen.append(float(model.optimizer.learning_rate))
    assert seen == pytest.approx([0.2, 0.1, 0.05])


def test_an_optimiser_has_the_settings_of_its_config() -> None:
    adam = optimiser_of({"optimiser": "adam", "lr": 0.1, "beta_1": 0.8, "momentum": 0.9})
    assert type(adam) is keras.optimizers.Adam
    assert (float(adam.learning_rate), adam.beta_1, adam.beta_2) == (pytest.approx(0.1), 0.8, 0.999)


def test_the_network_equals_the_tutorials() -> None:
    model = tutorial_network({"lr": 0.1})
    assert model.count_params() == 784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "Dropout", "Dense", "Dense"]
    assert isinstance(model.layers[0].kernel_initializer, keras.initializers.RandomUniform)
