"""A learning rate that a callback sets in every epoch."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline import Budget, LogUniform, Objective, TuneJob
from pipeline.training.overridden_rate import overridden_rate

CONFIGS = [{"lr": rate, "decay": 0.5} for rate in (1e-4, 1e-2, 1e-3)]


def _model(config: Any) -> Any:
    raise AssertionError("no model is built")


def _found(callbacks: Callable[[Any], list[Any]] | None) -> str | None:
    job = TuneJob(
        name="s", model=_model, callbacks=callbacks, data="digits", space={"lr": LogUniform(1e-5, 1e-1), "decay": 0.5},
        objectives=[Objective("val_loss", "min")], budget=Budget(trials=3, epochs=6),
    )  # fmt: skip
    return overridden_rate(job, CONFIGS, seed=1)


def _scheduler(schedule: Callable[..., float]) -> Any:
    import keras

    return keras.callbacks.LearningRateScheduler(schedule)


def test_a_schedule_that_ignores_the_hyperparameter_is_found() -> None:
    """A schedule of the epoch alone, or with an unused rate, overrides the hyperparameter, which is named."""
    import keras

    for schedule in (lambda epoch: 0.1 / (epoch + 1), lambda epoch, _rate: 0.1 if epoch < 3 else 0.01):
        text = _found(lambda _, schedule=schedule: [_scheduler(schedule), keras.callbacks.TerminateOnNaN()])
        assert text is not None
        assert "whatever the hyperparameter lr is" in text
    assert "hyperparameter lr" in (_found(lambda config: [_scheduler(lambda epoch: config["decay"] ** epoch)]) or "")


def test_a_schedule_of_some_branches_alone_is_not_reported() -> None:
    """Nothing is said where configs of the same hyperparameter have no such callback, and so use it."""
    branches = iter((True, True, False, True, False))
    assert _found(lambda _: [_scheduler(lambda _epoch: 0.1)] if next(branches) else []) is None


RATE = 0.1


def test_a_schedule_that_reads_a_variable_is_not_reported() -> None:
    """Nothing is said where a schedule reads a number of its module, which the model function may set."""
    assert _found(lambda _: [_scheduler(lambda _epoch: RATE)]) is None


class _Own:
    """Makes a callback of the user's own class."""

    @staticmethod
    def callback() -> Any:
        import keras

        class Sets(keras.callbacks.Callback):
            """May set the learning rate."""

        return Sets()


@pytest.mark.parametrize(
    "callbacks",
    [
        None,
        lambda _: [],
        lambda config: [_scheduler(lambda epoch: config["lr"] * 0.9**epoch)],
        lambda _: [_scheduler(lambda _epoch, rate: rate * 0.9)],
        lambda _: [_scheduler(lambda epoch, rate: rate if epoch < 3 else 1e-3)],
        lambda _: [_scheduler(lambda _epoch, rate: min(rate, 1e-5))],
        lambda _: [_scheduler(lambda _epoch: 0.1), _Own.callback()],
    ],
)
def test_a_rate_that_may_depend_on_the_hyperparameter_is_not_reported(callbacks: Any) -> None:
    """Nothing is said where the hyperparameter, the rate before or another callback may decide in some epoch."""
    assert _found(callbacks) is None
