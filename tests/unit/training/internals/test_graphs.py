"""The graphs of TensorFlow's functions."""

import tensorflow as tf

from pipeline.training import internals


def test_traced_functions_are_listed() -> None:
    """TensorFlow lists the graphs that a tf.function has traced; a plain function has none."""

    @tf.function
    def doubled(x: tf.Tensor) -> tf.Tensor:
        return 2 * x

    doubled(tf.constant(1.0))
    assert len(internals.traced_functions(doubled)) == 1, (
        "TensorFlow no longer has Function._list_all_concrete_functions; pipeline/training/internals/ uses it to see "
        "whether a model draws with tf.random; without it, a resumed trial may differ without a word."
    )
    assert len(internals.traced_functions(lambda: doubled)) == 1
    assert internals.traced_functions(print) == []


def test_the_arithmetic_optimiser_can_be_switched_off() -> None:
    """TensorFlow has the option that turns off its arithmetic optimiser, so that additions are kept."""
    internals.keep_additions()
    assert tf.config.optimizer.get_experimental_options().get("arithmetic_optimization") is False, (
        "TensorFlow no longer has the option arithmetic_optimization; pipeline/training/internals/ uses it to keep "
        "sums in a fixed order; without it, results differ in the last digit."
    )
