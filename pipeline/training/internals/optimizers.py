"""Optimisers of Keras: learning rate, weight decay, averages, and the sum of gradients over replicas."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from pipeline.missing_names import ABSENT, warn_once


def learning_rate_of(optimizer: Any) -> Any:
    """What an optimiser takes its learning rate from: a variable, a schedule or a function."""
    if optimizer is None:
        return None
    rate = getattr(optimizer, "_learning_rate", ABSENT)
    if rate is ABSENT and getattr(optimizer, "inner_optimizer", None) is not None:
        return getattr(optimizer, "learning_rate", None)
    if rate is ABSENT:
        warn_once("Keras", "Optimizer._learning_rate", "trials with a schedule are traced again, which is slower")
        return optimizer.learning_rate
    return rate


def excludes_from_weight_decay(optimizer: Any) -> bool:
    """Whether `exclude_from_weight_decay` was called, which the optimiser's config does not hold."""
    # Under any name of that kind: a trace that is shared wrongly gives wrong results.
    names = [name for name in vars(optimizer) if "exclude_from_weight_decay" in name and not name.endswith("cache")]
    return any(bool(vars(optimizer)[name]) for name in names)


def skip_reduction(optimizer: Any) -> None:
    """Leave out the sum of gradients over replicas if there is only one: each trace of it occupies 7 MB permanently."""
    if tf.distribute.has_strategy():
        return
    for each in (optimizer, getattr(optimizer, "inner_optimizer", optimizer)):
        if hasattr(each, "_all_reduce_sum_gradients"):
            each._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
        elif not hasattr(each, "inner_optimizer"):
            warn_once(
                "Keras", "_all_reduce_sum_gradients", "a worker's memory grows by about 7 MB for each new architecture"
            )


@contextmanager
def keep_averages_apart(optimizer: Any) -> Iterator[None]:
    """Within the context, Keras' fit does not put averaged weights in the place of the model's own."""
    if not hasattr(optimizer, "finalize_variable_values"):
        if getattr(optimizer, "use_ema", True):
            warn_once(
                "Keras", "Optimizer.finalize_variable_values", "averaged weights replace the model's own in each epoch"
            )
        yield
        return
    optimizer.finalize_variable_values = lambda _variables: None
    try:
        yield
    finally:
        del optimizer.finalize_variable_values
