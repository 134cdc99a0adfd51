"""Numbers from which each epoch of a pipeline draws its order, the same in every process."""

from typing import Any

import tensorflow as tf


def iterator_numbers(seed: int) -> Any:
    """Random numbers, other ones for each iterator: by the seed and the number of iterators before.

    `tf.data.Dataset.random` and `shuffle` would draw by TensorFlow's global seed, too, which depends on what the
    process did before.
    """
    variant = tf.raw_ops.RandomDatasetV2(
        seed=tf.constant(seed, tf.int64),
        seed2=tf.constant(1, tf.int64),
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        rerandomize_each_iteration=True,
        output_types=[tf.int64],
        output_shapes=[[]],
        metadata="",
    )
    return tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.int64))
