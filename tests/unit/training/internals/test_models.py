"""Layers, metrics and the compilation of a Keras model."""

from typing import Any

import keras
import pytest

from pipeline import missing_names
from pipeline.training import internals


def model_of(optimizer: Any = "adam") -> keras.Model:
    """A small compiled model."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile(optimizer=optimizer, loss="mse", metrics=["mae"])
    return model


def test_a_model_that_is_compiled_again_is_noticed() -> None:
    """A model that is compiled again is noticed, even if it keeps its optimiser."""
    model = model_of()
    before = internals.compilation_of(model)
    assert internals.compilation_of(model) is before
    model.compile(optimizer=model.optimizer, loss="mse")
    assert internals.compilation_of(model) is not before


def test_functional_models_are_known() -> None:
    """A functional model is recognised; a Sequential model and a subclass are not functional."""

    class Own(keras.Model):
        """A subclass."""

    inputs = keras.Input((2,))
    outputs = keras.layers.Dense(1)(inputs)
    assert internals.is_functional(keras.Model(inputs, outputs))
    assert not internals.is_functional(Own(inputs, outputs))
    assert not internals.is_functional(model_of())


def test_without_its_name_the_optimiser_stands_for_the_compilation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A compiled model without its internal name is identified by its optimiser, which is reported once."""
    monkeypatch.setattr(missing_names, "warned", set())
    model = model_of()
    del model._compile_config  # noqa: SLF001 - as in a Keras that keeps it elsewhere
    assert internals.compilation_of(model) is model.optimizer
    assert internals.compilation_of(model) is model.optimizer
    assert capsys.readouterr().err.count("Trainer._compile_config: a model that is compiled again") == 1


def test_metrics_of_an_earlier_model_start_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Metric objects that an earlier model has used count from zero; a missing internal name is reported once."""
    mean, weighted = keras.metrics.MeanAbsoluteError(), keras.metrics.MeanSquaredError()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=[[mean, "mse"]], weighted_metrics=[weighted])
    for metric in (mean, weighted):
        metric.update_state([[1.0]], [[3.0]])
    internals.reset_shared_metrics(model)
    assert (float(mean.result()), float(weighted.result())) == (0, 0)

    monkeypatch.setattr(missing_names, "warned", set())
    del model._compile_metrics  # noqa: SLF001 - as in a Keras that keeps them elsewhere
    for _ in range(2):
        internals.reset_shared_metrics(model)
    assert capsys.readouterr().err.count("CompileMetrics._user_metrics: a metric object of several models") == 1
