"""Models whose batches all have the same number of rows, such as those with a stateful recurrent layer."""

from typing import Any

import keras

from pipeline.training.internals import layers_of


def is_stateful(model: keras.Model) -> bool:
    """Whether a model has a layer that keeps a state for each row of a batch."""
    return bool(_stateful(model))


def fixed_rows(model: keras.Model) -> int | None:
    """The number of rows that each batch of a model must have; None if batches may have any."""
    tensors = [*(getattr(model, "inputs", None) or ())]
    for layer in _stateful(model):
        tensors += keras.tree.flatten(getattr(layer, "states", None) or ())
    return next((int(each.shape[0]) for each in tensors if len(each.shape) and each.shape[0] is not None), None)


def reset_states(model: keras.Model) -> None:
    """Begin the states of a model's layers again."""
    for layer in _stateful(model):
        if hasattr(layer, "reset_state"):
            layer.reset_state()


def _stateful(model: keras.Model) -> list[Any]:
    return [layer for layer in layers_of(model) or () if getattr(layer, "stateful", False)]
