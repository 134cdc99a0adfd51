"""Hypermodels of KerasTuner as they are, without KerasTuner."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import Dataset, IntUniform, LogUniform, QUniform, Split, Switch, Uniform
from pipeline.adapters import from_file, from_keras_tuner
from pipeline.adapters.keras_tuner.hypermodel import HypermodelAdapter
from pipeline.errors import InvalidJob
from pipeline.space import Choice
from pipeline.training.data import load_data

_UNITS = {f"units_{number}": IntUniform(32, 96, step=32) for number in range(3)}


def test_a_function_and_its_search_become_a_job(program: Callable[[str], str]) -> None:
    """A KerasTuner function and its search become a job with hyperparameters, data, objective, trials and repeats."""
    job = from_file(program("kt_mnist.py") + ":build_model", "keras-tuner", {})
    assert job.space == {
        "num_layers": IntUniform(1, 3),
        "activation": Choice(("relu", "tanh")),
        "dropout": Choice((False, True)),
        "lr": LogUniform(1e-4, 1e-2),
        **_UNITS,
    }
    assert (job.budget.trials, job.budget.epochs, job.repeats, job.batch_size) == (3, 2, 2, 32)
    assert (job.objective.metric, job.objective.mode) == ("val_accuracy", "max")
    data = load_data(job)
    assert data is not None
    assert (data.train.x.shape, data.validation.x.shape) == ((200, 8, 8, 1), (100, 8, 8, 1))
    assert "keras_tuner" not in sys.modules
    assert job.resumable


def test_conditional_scopes_become_branches(program: Callable[[str], str]) -> None:
    """A hypermodel's conditional scopes become branches, and its last rows become the validation split."""
    job = from_file(program("kt_hyper.py") + ":DigitsHyperModel", "keras-tuner", {})
    assert job.space == {
        "model_type": Switch(
            {
                "mlp": {"mlp_units": IntUniform(16, 64, step=16)},
                "cnn": {"filters": Choice((8, 16, 32)), "pooling": Choice(("avg", "max"))},
            }
        ),
        "dropout_rate": QUniform(0, 0.5, 0.1),
        "optimizer": Switch({"adam": {}, "sgd": {"momentum": Uniform(0, 0.9)}}),
    }
    assert job.scheduler.kind == "hyperband"
    assert (job.budget.epochs, job.batch_size) == (4, 64)
    assert job.callbacks is not None
    first, second = job.callbacks({})[0], job.callbacks({})[0]
    assert first is not second
    assert (type(first).__name__, first.patience) == ("EarlyStopping", 5)
    data = load_data(job)
    assert data is not None
    rows = len(data.train.x) + len(data.validation.x)
    assert len(data.train.x) == int(rows * 0.8)


def test_a_function_without_a_search_needs_data(program: Callable[[str], str]) -> None:
    """A KerasTuner function without a search is refused unless the call gives its data."""
    place = program("kt_plain.py") + ":build_recurrent"
    with pytest.raises(InvalidJob, match="data: must be given for a model"):
        from_file(place, "keras-tuner", {})
    job = from_file(place, "keras-tuner", {"data": "mnist"})
    assert list(job.space) == ["rnn_units", "rnn_cell", "learning_rate"]
    assert (job.objective.metric, job.objective.mode) == ("val_loss", "min")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("build", "kt_bad.py, line 6: must be sampled linearly or logarithmically, not by 'reverse_log'"),
        ("build2", "kt_bad.py, line 13: must have another name: 'Units'"),
        ("missing", "name: must be a name that the file defines"),
    ],
)
def test_unsupported_programs_are_refused_with_the_line(
    function: str, message: str, program: Callable[[str], str]
) -> None:
    """A KerasTuner program that cannot be translated is refused with its line and what is allowed."""
    with pytest.raises(InvalidJob, match=message):
        from_file(f"{program('kt_bad.py')}:{function}", "keras-tuner", {"data": "mnist"})


def build(hp: Any) -> Any:
    """A small model."""
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(hp.Int("units", 2, 8)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("lr", 0.01, 0.1)), "mse")
    return model


def data() -> Dataset:
    """Sums of three numbers."""
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    return Dataset("sums", Split(x[:30], x[:30].sum(1)), Split(x[30:], x[30:].sum(1)))


def test_a_function_of_python_becomes_a_job(tmp_path: Path) -> None:
    """A KerasTuner function passed in Python becomes a job with its space and builds models from configs."""
    job = from_keras_tuner(build, data=data, budget={"trials": 2, "epochs": 1}, resources={"workers": 0}, name="s")
    assert job.space == {"units": IntUniform(2, 8), "lr": Uniform(0.01, 0.1)}
    assert HypermodelAdapter(None, "", build).build({"units": 5, "lr": 0.05}).layers[0].units == 5
