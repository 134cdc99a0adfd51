"""The graphs of TensorFlow's functions."""

import tensorflow as tf

from pipeline.training import internals


def test_the_arithmetic_optimiser_can_be_switched_off() -> None:
    """TensorFlow has the option that turns off its arithmetic optimiser, so that additions are kept."""
    internals.keep_additions()
    assert tf.config.optimizer.get_experimental_options().get("arithmetic_optimization") is False, (
        "TensorFlow no longer has the option arithmetic_optimization; pipeline/training/internals/ uses it to keep "
        "sums in a fixed order; without it, results differ in the last digit."
    )
