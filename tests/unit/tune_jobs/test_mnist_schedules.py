"""Learning rate schedules."""

import itertools
import math

import keras
import pytest

from tune_jobs.mnist_schedules import JOB, build_model, callbacks, rate_of

EPOCHS = JOB.budget.epochs


def _rates(config: dict, epochs: int = EPOCHS) -> list[float]:
    return [rate_of(epoch, {"lr": 0.1, **config}, epochs=epochs) for epoch in range(epochs)]


def test_exponential_decay_is_the_tutorials() -> None:
    pinned = next(config for config in JOB.start_with if config["schedule"] == "exponential")
    assert _rates(dict(pinned)) == pytest.approx([0.1 * math.exp(-0.1 * epoch) for epoch in range(EPOCHS)])


def test_steps_fall_every_so_many_epochs() -> None:
    assert _rates({"schedule": "step", "drop": 0.5, "every": 3}, 7) == pytest.approx([0.1] * 3 + [0.05] * 3 + [0.025])


@pytest.mark.parametrize("epochs", [EPOCHS, 20])
def test_a_cosine_ends_near_zero(epochs: int) -> None:
    rates = _rates({"schedule": "cosine"}, epochs)
    assert rates[0] == 0.1
    assert rates[epochs // 2] == pytest.approx(0.05)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 1e-3


@pytest.mark.parametrize(
    ("multiplier", "starts"), [(1, [0, 4, 8, 12, 16]), (2, [0, 4, 12])], ids=["equal cycles", "lengthening cycles"]
)
def test_restarts_bring_the_rate_back(multiplier: int, starts: list[int]) -> None:
    rates = _rates({"schedule": "restarts", "cycle": 4, "multiplier": multiplier}, 20)
    assert [epoch for epoch, rate in enumerate(rates) if rate == 0.1] == starts
    rises = [epoch + 1 for epoch, (before, after) in enumerate(itertools.pairwise(rates)) if after >= before]
    assert rises == starts[1:]


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [({"schedule": "step", "drop": 0.5, "every": 1}, [0.2, 0.1, 0.05, 0.025]), ({"schedule": "cosine"}, [0.2, 0.1])],
    ids=["step", "cosine"],
)
def test_other_schedules_are_set_by_a_callback(schedule: dict, rates: list[float]) -> None:
    config = {"lr": 0.2, **schedule}
    (scheduler,) = callbacks(config)
    model = build_model(config)
    hooks = keras.callbacks.CallbackList([scheduler], model=model, epochs=len(rates), steps=1, verbose=0)
    seen = []
    for epoch in range(len(rates)):
        hooks.on_epoch_begin(epoch)
        seen.append(float(model.optimizer.learning_rate))
    assert isinstance(scheduler, keras.callbacks.LearningRateScheduler)
    assert seen == pytest.approx(rates)
