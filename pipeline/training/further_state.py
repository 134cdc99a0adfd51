"""Variables that training changes in addition to the model's and its compiled optimiser's."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from pipeline.training.internals import layers_of, skip_reduction
from pipeline.training.sums import ordered_sums


def further_variables(model: keras.Model) -> list[Any]:
    """Variables of additional optimisers, as in a GAN, and those that Keras does not count as a layer's own.

    Such are the states of a recurrent layer with `stateful=True`, and a `tf.Variable` that is an attribute of a layer.
    """
    known = {id(variable) for variable in (*model.variables, *model.optimizer.variables)}
    further = [variable for optimizer in optimizers_of(model)[1:] for variable in optimizer.variables]
    for part in (model, *(layers_of(model) or ())):
        further += [value for value in _values(part) if isinstance(value, tf.Variable | keras.Variable)]
    return list({id(variable): variable for variable in further if id(variable) not in known}.values())


def optimizers_of(model: keras.Model) -> list[Any]:
    """The compiled optimiser, then others that the model holds, as in a GAN."""
    further = {id(value): value for value in _values(model) if isinstance(value, keras.optimizers.Optimizer)}
    return [model.optimizer, *(optimizer for optimizer in further.values() if optimizer is not model.optimizer)]


def updating_optimizer(model: keras.Model) -> Any:
    """The first optimiser that has updated weights: a GAN may leave the compiled one unused."""
    # Others are looked for only where they matter: a model may hold long lists.
    if _has_updated(model.optimizer):
        return model.optimizer
    return next(filter(_has_updated, optimizers_of(model)[1:]), model.optimizer)


def build_optimizers(model: keras.Model, batch: Callable[[], Any]) -> None:
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


def _has_updated(optimizer: Any) -> bool:
    return bool(int(keras.ops.convert_to_numpy(optimizer.iterations)))
