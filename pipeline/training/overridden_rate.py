"""A learning rate that a callback of Keras sets in every epoch, whatever the hyperparameter of that name is."""

from collections.abc import Sequence
from typing import Any

import keras

from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.build import build_callbacks

_NAMES = ("learning_rate", "lr")
_RATES_BEFORE = (0.0, 1e-6, 1.0, 1e9)
"""Learning rates that a schedule may get: one that only limits them, or scales them, changes some of these."""
_MAX_EPOCHS = 100
_MAX_CONFIGS = 4


def overridden_rate(job: TuneJob, configs: Sequence[Config], *, seed: int) -> str | None:
    """Which hyperparameter has no effect on the learning rate because a LearningRateScheduler sets it in each epoch.

    The schedule is called as Keras calls it, for all epochs of a trial, for two values of the hyperparameter that other
    trials have.
    """
    if job.callbacks is None or job.phases:
        return None
    for name in _NAMES:
        values = sorted({value for config in configs if isinstance(value := config.get(name), float)})
        # Another branch of a switch may have no such callback.
        having = [config for config in configs if name in config][:_MAX_CONFIGS]
        if len(values) > 1 and all(_is_overridden(job, config, seed, name, values) for config in having):
            return (
                f"the callback LearningRateScheduler sets the learning rate of every epoch, whatever the "
                f"hyperparameter {name} is: use it in the schedule, or, if nothing else uses it, remove it from the "
                f"space."
            )
    return None


def _is_overridden(job: TuneJob, config: Config, seed: int, name: str, values: Sequence[float]) -> bool:
    rates = [_rates(job, config, seed, name, value) for value in (values[0], values[-1])]
    return rates[0] is not None and rates[0] == rates[1]


def _rates(job: TuneJob, config: Config, seed: int, name: str, value: float) -> list[float] | None:
    """The learning rate of each epoch under a schedule that ignores the one before; None if there is none."""
    callbacks = build_callbacks(job, {**config, name: value}, seed=seed)
    # Any other callback may set the learning rate after it.
    if not all(type(each).__module__.startswith("keras.") for each in callbacks):
        return None
    if any(isinstance(each, keras.callbacks.LambdaCallback) for each in callbacks):
        return None
    schedules = [each.schedule for each in callbacks if type(each) is keras.callbacks.LearningRateScheduler]
    if not schedules or _reads_variables(schedules[-1]):
        return None
    rates: list[float] = []
    for epoch in range(min(job.budget.epochs, _MAX_EPOCHS)):
        after = {float(_rate(schedules[-1], epoch, before)) for before in (value, *_RATES_BEFORE)}
        if len(after) > 1:
            return None
        rates += after
    return rates


def _reads_variables(schedule: Any) -> bool:
    """Whether a schedule may read a number or a collection of its module, which the model function may change."""
    code, names = getattr(schedule, "__code__", None), getattr(schedule, "__globals__", {})
    return code is None or any(isinstance(names.get(name), float | dict | list) for name in code.co_names)


def _rate(schedule: Any, epoch: int, before: float) -> Any:
    """What a schedule returns, which may take the epoch alone."""
    try:
        return schedule(epoch, before)
    except TypeError:
        return schedule(epoch)
