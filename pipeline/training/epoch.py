"""An epoch as one compiled function: the model's own train_step, looped over data that stays in memory.

Equal to Keras' fit to the last digit on the same batches: the step is traced on its own, as fit does it, and the
batch dimension is known to the trace only where it is the same in every step.
"""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["compiled", "steps_of"]


def steps_of(rows: int, batch_size: int) -> int:
    """Number of steps in an epoch; the last one may be smaller."""
    return math.ceil(rows / batch_size)


def compiled(
    step: Callable[[Any], Any], data: Any, rows: int, batch_size: int, *, jit_compile: bool, stop_at_nan: bool
) -> Callable[[Any, Any, Any], Any]:
    """Make one function of many steps.

    Args:
        step: `model.train_step` or `model.test_step`.
        data: Tensors with the rows first, nested as the step takes them.
        rows: Number of rows.
        batch_size: Rows in a step.
        jit_compile: Whether XLA compiles the step.
        stop_at_nan: Whether the loop ends after a step whose loss is not finite.

    Returns:
        `f(order, first, last)`: runs steps `first` to `last` (excluded) over the rows in `order`, shape (rows,), int32,
        and returns the last step's logs.
    """
    even = rows % batch_size == 0
    inner = tf.function(step, autograph=False, reduce_retracing=True, jit_compile=jit_compile)

    def batch(order: Any, index: Any) -> Any:
        begin = index * batch_size
        picked = order[begin : tf.minimum(begin + batch_size, rows)]

        def gather(tensor: Any) -> Any:
            taken = tf.gather(tensor, picked)
            taken.set_shape([batch_size if even else None, *tensor.shape[1:]])
            return taken

        return tf.nest.map_structure(gather, data)

    def finite(logs: Any) -> Any:
        if not stop_at_nan or not isinstance(logs, dict) or "loss" not in logs:
            return True
        return tf.math.is_finite(tf.cast(logs["loss"], tf.float32))

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int32)] + [tf.TensorSpec([], tf.int32)] * 2)
    def loop(order: Any, first: Any, last: Any) -> Any:
        def body(index: Any, going: Any, _logs: Any) -> Any:
            logs = inner(batch(order, index))
            return index + 1, going & finite(logs), logs

        # The loop carries the logs, so it has to know their shape before the first step.
        like = inner.get_concrete_function(batch(order, first)).structured_outputs
        start = tf.nest.map_structure(lambda spec: tf.zeros([d or 0 for d in spec.shape], spec.dtype), like)
        shapes = (tf.TensorShape([]), tf.TensorShape([]), tf.nest.map_structure(lambda spec: spec.shape, like))
        return tf.while_loop(
            lambda index, going, _logs: (index < last) & going,
            body,
            (first, tf.constant(True), start),
            shape_invariants=shapes,
            parallel_iterations=1,
        )[2]

    return loop  # type: ignore[no-any-return]
