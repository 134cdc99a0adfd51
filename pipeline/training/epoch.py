"""An epoch as one compiled function: a loop of the model's train_step over data in memory.

Equal to Keras' fit to the last digit on the same batches: the step is traced on its own, as fit does it, and the
batch dimension is known to the trace only where it is the same in every step.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.training.sums import ordered_sums

__all__ = ["compiled", "order_of", "span_of", "steps_of"]


def order_of(rows: int, seed: int, model_epoch: int) -> np.ndarray:
    """The order of the rows in an epoch: from the seed and the epoch alone, so that there is no iterator to save.

    Args:
        rows: Number of rows.
        seed: The trial's seed.
        model_epoch: Age of the weights before the epoch, from 0.

    Returns:
        A permutation, int32, shape (rows,).
    """
    return np.random.default_rng([seed, model_epoch]).permutation(rows).astype(np.int32)


def steps_of(rows: int, batch_size: int) -> int:
    """Number of steps in an epoch; the last one may be smaller.

    Args:
        rows: Number of rows.
        batch_size: Rows in a step.
    """
    return math.ceil(rows / batch_size)


def span_of(epoch: int, steps: int, steps_per_epoch: int | None) -> tuple[int, int, int]:
    """The steps of an epoch that begins where the previous one ended, as in fit: no epoch exceeds a pass.

    Args:
        epoch: The epoch, from 0.
        steps: Steps in a pass through all rows.
        steps_per_epoch: The maximum of an epoch; None for a whole pass.

    Returns:
        The number of the pass, from 0; its first step in the epoch, and the one after its last.
    """
    most = min(steps, steps_per_epoch or steps)
    passes, place = divmod(epoch, math.ceil(steps / most))
    return passes, place * most, min((place + 1) * most, steps)


def compiled(
    step: Callable[[Any], Any], data: Any, rows: int, batch_size: int, *, jit_compile: bool, stop_at_nan: bool
) -> Any:
    """Trace a function that runs many steps.

    Args:
        step: `model.train_step` or `model.test_step`.
        data: Tensors with the rows first, nested as the step takes them.
        rows: Number of rows.
        batch_size: Rows in a step.
        jit_compile: Whether XLA compiles the step.
        stop_at_nan: Whether the loop ends after a step whose loss is not finite.

    Returns:
        A concrete function of `order` (the rows, int32), `first` and `last` (tensors, int32): runs steps `first` to
        `last` (excluded) over the rows in that order, and returns the last step's logs.
    """
    even = rows % batch_size == 0
    one_step = tf.function(step, autograph=False, reduce_retracing=True, jit_compile=jit_compile)

    def batch(order: Any, index: Any) -> Any:
        begin = index * batch_size
        picked = order[begin : tf.minimum(begin + batch_size, rows)]

        def gather(tensor: Any) -> Any:
            taken = tf.gather(tensor, picked)
            taken.set_shape([batch_size if even else None, *tensor.shape[1:]])
            return taken

        return tf.nest.map_structure(gather, data)

    def finite(logs: Any) -> Any:
        loss = logs.get("loss") if stop_at_nan and isinstance(logs, dict) else None
        return tf.constant(True) if loss is None else tf.reduce_all(tf.math.is_finite(loss))

    def steps(order: Any, first: Any, last: Any) -> Any:
        def body(index: Any, _going: Any, _logs: Any) -> Any:
            logs = one_step(batch(order, index))
            return index + 1, finite(logs), logs

        # The loop carries the logs, so it has to know what they are like before the first step.
        like = one_step.get_concrete_function(batch(order, first)).structured_outputs
        shapes = tf.nest.map_structure(lambda spec: spec.shape, like)
        return tf.while_loop(
            lambda index, going, _logs: (index < last) & going,
            body,
            (
                first,
                tf.constant(True),
                tf.nest.map_structure(lambda spec: tf.zeros([size or 0 for size in spec.shape], spec.dtype), like),
            ),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([]), shapes),
            parallel_iterations=1,
        )[2]

    number = tf.TensorSpec([], tf.int32)
    with ordered_sums():
        return tf.function(steps, autograph=False).get_concrete_function(
            tf.TensorSpec([None], tf.int32), number, number
        )
