"""An epoch as one compiled function: a loop of the model's train_step over data in memory.

Equal to Keras' fit to the last digit on the same batches: the step is traced on its own, as fit does it, and the
batch dimension is known to the trace only where it is the same in every step.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipeline.training.sums import ordered_sums


def trace_epoch(
    step: Callable[[Any], Any], data: Any, rows: int, batch_size: int, *, jit_compile: bool, stop_at_nan: bool
) -> Any:
    """Trace a function that runs many steps."""
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
            return index + 1, finite(logs), _present(logs)

        # The loop carries the logs, so their structure must be known before the first step.
        like = one_step.get_concrete_function(batch(order, first)).structured_outputs
        carried = _present(like)
        last_logs = tf.while_loop(
            lambda index, going, _logs: (index < last) & going,
            body,
            (
                first,
                tf.constant(True),
                [tf.zeros([size or 0 for size in spec.shape], spec.dtype) for spec in carried],
            ),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([]), [spec.shape for spec in carried]),
            parallel_iterations=1,
        )[2]
        found = iter(last_logs)
        return tf.nest.map_structure(lambda spec: None if spec is None else next(found), like)

    number = tf.TensorSpec([], tf.int32)
    with ordered_sums():
        return tf.function(steps, autograph=False).get_concrete_function(
            tf.TensorSpec([None], tf.int32), number, number
        )


def _present(logs: Any) -> list[Any]:
    """The values of logs, flat; a step may return None, which no loop can carry."""
    return [value for value in tf.nest.flatten(logs) if value is not None]
