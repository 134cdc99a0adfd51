"""Keras' optimisers on Beale's function."""

from itertools import islice

import pytest

from tune_jobs.beale import descend
from tune_jobs.beale_optimisers import EPOCHS, STEPS, walk


def _walk(epochs: int = EPOCHS, **config: object) -> list[dict[str, float]]:
    return list(islice(walk({"surface": "beale", **config}), epochs))


@pytest.fixture(scope="module")
def momentum() -> list[dict[str, float]]:
    return _walk(walker="momentum", lr=0.02, momentum=0.9)


def test_a_walk_is_keras_momentum(momentum: list[dict[str, float]]) -> None:
    for found, expected in zip(momentum[:5], descend({"lr": 0.02, "momentum": 0.9}), strict=False):
        assert (found["x"], found["y"]) == pytest.approx((expected["x"], expected["y"]), abs=1e-3)


def test_yardsticks_tell_a_good_walk(momentum: list[dict[str, float]]) -> None:
    assert momentum[-1]["arrived"] >= 0.5
    assert momentum[-1]["steps"] <= EPOCHS * STEPS
    assert momentum[-1]["distance"] < 0.01
    assert momentum[0]["steps"] == EPOCHS * STEPS + 1


@pytest.mark.parametrize(
    ("config", "slots"),
    [
        ({"walker": "sgd", "lr": 0.1}, 0),
        ({"walker": "momentum", "lr": 0.1, "momentum": 0.5}, 1),
        ({"walker": "nesterov", "lr": 0.1, "momentum": 0.5}, 1),
        ({"walker": "rmsprop", "lr": 0.1, "rho": 0.9}, 1),
        ({"walker": "adam", "lr": 0.1, "beta_1": 0.9}, 2),
    ],
)
def test_an_optimisers_memory_is_counted(config: dict, slots: int) -> None:
    assert _walk(1, **config)[0]["slots"] == slots
