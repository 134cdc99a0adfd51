"""The arguments of `compile` that a tuner has."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.adapters.keras_tuner.compile_arguments import recompile


def model(*, is_compiled: bool = True) -> keras.Model:
    """A model, compiled unless it must not be."""
    one = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    if is_compiled:
        one.compile(keras.optimizers.SGD(0.25), "mse", metrics=["mae"])
    return one


def test_arguments_of_a_tuner_replace_those_of_the_model() -> None:
    """A tuner's optimizer, loss and metrics replace the model's own, and what the tuner lacks stays."""
    one = recompile(model(), {"loss": "mae", "metrics": ["mse"], "max_trials": 3})
    config = one.get_compile_config()
    assert (config["loss"], config["metrics"]) == ("mae", ["mse"])
    assert float(one.optimizer.learning_rate) == pytest.approx(0.25)


def test_each_model_has_its_own_optimizer_and_metrics() -> None:
    """Two models that are compiled for one tuner share no optimizer and no metric."""
    tuner = {
        "optimizer": keras.optimizers.Adam(0.5),
        "metrics": [keras.metrics.MeanSquaredError(name="m")],
        "loss": "mse",
    }
    first, second = (recompile(model(is_compiled=False), tuner) for _ in range(2))
    assert first.optimizer is not second.optimizer is not tuner["optimizer"]
    assert float(first.optimizer.learning_rate) == pytest.approx(0.5)
    for one in (first, second):
        x, y = np.ones((4, 2)), np.ones((4, 1))
        one.fit(x, y, verbose=0)
        assert set(one.evaluate(x, y, verbose=0, return_dict=True)) == {"loss", "m"}


def test_a_tuner_without_such_arguments_leaves_a_model_as_it_is() -> None:
    """A model is unchanged for a tuner without arguments of compile, and so is an object that is not a model."""
    one = model()
    optimizer = one.optimizer
    assert recompile(one, {"loss": None, "objective": "val_loss"}).optimizer is optimizer
    assert recompile(None, {"metrics": [len]}) is None


def test_functions_and_classes_of_the_program_stay_as_they_are() -> None:
    """A loss and a metric that the program defines count, whether the model or the tuner has them."""

    def far(truth: Any, found: Any) -> Any:
        return keras.ops.mean(keras.ops.square(truth - found), axis=-1)

    class Own(keras.metrics.MeanSquaredError):
        pass

    one = model(is_compiled=False)
    one.compile("adam", far, metrics=[Own(name="own")])
    assert isinstance(recompile(one, {"optimizer": "sgd"}).optimizer, keras.optimizers.SGD)
    assert one.loss is far
    other = recompile(model(), {"loss": far, "metrics": [Own(name="own")]})
    for each in (one, other):
        each.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
        assert set(each.get_metrics_result()) == {"loss", "own"}
