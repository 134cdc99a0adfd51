"""The state that a model needs to resume exactly: variables of the model, its optimisers and its seed generators."""

import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import ModelError
from pipeline.training.internals import layers_of, ordered_sums, skip_reduction


def variables_of(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def build_optimizer(model: Any) -> None:
    """Create the optimiser's variables, once: not every optimiser asks whether it has them."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def further_variables(model: keras.Model) -> list[Any]:
    """Variables of additional optimisers, as in a GAN, and those that Keras does not count as a layer's own.

    Such are the states of a recurrent layer with `stateful=True`, and a `tf.Variable` that is an attribute of a layer.
    """
    known = {id(variable) for variable in variables_of(model)}
    further = [variable for optimizer in optimizers_of(model)[1:] for variable in optimizer.variables]
    for part in (model, *layers_of(model)):
        further += [value for value in _values(part) if isinstance(value, tf.Variable | keras.Variable)]
    return list({id(variable): variable for variable in further if id(variable) not in known}.values())


def value_of(variable: Any) -> Any:
    """TensorFlow's own variable of one of Keras: a compiled epoch knows only the former."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def save_variables(variables: Sequence[Any]) -> list[np.ndarray]:
    return [np.array(value_of(variable).numpy()) for variable in variables]


def describe(variables: Sequence[Any]) -> list[dict[str, Any]]:
    """The path, shape and type of each variable; those of a saved state must be equal."""
    return [
        {
            "path": variable.path if isinstance(variable, keras.Variable) else variable.name,
            "shape": [int(size) for size in variable.shape],
            "dtype": str(getattr(variable.dtype, "name", variable.dtype)),
        }
        for variable in variables
    ]


def load_variables(
    variables: Sequence[Any],
    arrays: Sequence[np.ndarray],
    saved: Sequence[dict[str, Any]],
    *,
    keep: Collection[int] = (),
) -> None:
    """Assign saved values, except at the positions to keep."""
    here = describe(variables)
    if len(here) != len(saved):
        _differ(f"the number of variables is {len(here)}, and was {len(saved)}")
    for ours, theirs in zip(here, saved, strict=True):
        # A model function may number or date its names.
        paths = {re.sub("[0-9]+", "#", entry["path"]) for entry in (ours, theirs)}
        if ours != {**theirs, "path": ours["path"]} or len(paths) > 1:
            saved_one, needed = (
                f"{entry['path']} {tuple(entry['shape'])} {entry['dtype']}" for entry in (theirs, ours)
            )
            _differ(f"{saved_one} was saved where {needed} is needed")
    for position, (variable, array) in enumerate(zip(variables, arrays, strict=True)):
        if position not in keep:
            variable.assign(array)


def _differ(how: str) -> None:
    raise ModelError(
        f"The weights are of another architecture: {how}. A hyperparameter that changes the layers or the optimiser "
        "cannot change within a trial, as it does in population based training: fix it with --set space.NAME=VALUE."
    )


# Optimisers.


def optimizers_of(model: keras.Model) -> list[Any]:
    """The compiled optimiser, then others that the model holds, as in a GAN."""
    further = {id(value): value for value in _values(model) if isinstance(value, keras.optimizers.Optimizer)}
    return [model.optimizer, *(optimizer for optimizer in further.values() if optimizer is not model.optimizer)]


def build_further_optimizers(model: keras.Model, batch: Callable[[], Any]) -> None:
    """Let optimisers other than the compiled one create their variables, as their first step would."""
    if len(optimizers_of(model)) > 1:
        with ordered_sums():
            tf.function(model.train_step, autograph=False).get_concrete_function(batch())


def skip_reductions(model: keras.Model) -> None:
    """Leave out the sums of gradients over replicas of a model that has one: their traces' memory is never freed.

    It is called outside of every strategy's scope.
    """
    if model.distribute_strategy is tf.distribute.get_strategy():
        for optimizer in optimizers_of(model):
            skip_reduction(optimizer)


def _values(part: Any) -> Iterator[Any]:
    """The values of a part's attributes, and those in lists, tuples and dicts there."""
    due, entered = deque(vars(part).values()), set[int]()
    while due:
        value = due.popleft()
        if not isinstance(value, list | tuple | Mapping):
            yield value
        elif id(value) not in entered:
            # A user's list may contain itself.
            entered.add(id(value))
            due.extend(value.values() if isinstance(value, Mapping) else value)
