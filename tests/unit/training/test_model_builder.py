"""A job's models without their training."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset, Split, fingerprint
from pipeline.study import Fit
from pipeline.training.build import ModelBuilder, recorded_inputs
from tests.unit.training.reference_training import job_of

ROWS = np.ones((6, 3), np.float32)


def unbuilt(config: Mapping[str, Any]) -> keras.Model:
    """A model that learns its shapes from its first inputs."""
    model = keras.Sequential([keras.layers.Dense(config["width"])])
    model.compile("sgd", "mse")
    return model


def built(config: Mapping[str, Any]) -> keras.Model:
    """A model that knows its shapes."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(config["width"])])
    model.compile("sgd", "mse")
    return model


def test_a_model_is_built_from_its_config_and_seed() -> None:
    """A model is compiled without XLA on a CPU, and the same seed gives the same weights."""
    builder = ModelBuilder(job_of(unbuilt), lambda: ROWS[:1])
    first, again, other = (builder.build({"width": 4}, seed=seed) for seed in (1, 1, 2))
    assert first.built
    assert first.jit_compile is False
    assert first.count_params() == 3 * 4 + 4
    np.testing.assert_array_equal(first.get_weights()[0], again.get_weights()[0])
    assert (first.get_weights()[0] != other.get_weights()[0]).any()


def test_no_example_is_needed_if_the_model_knows_its_shapes() -> None:
    """A model that knows its shapes is built without an example row, because the data may be missing."""

    def gone() -> Any:
        raise AssertionError("the data were asked for")

    assert ModelBuilder(job_of(built), gone).build({"width": 2}, seed=1).built


WIDTH = 0
WEIGHTS: dict[int, float] = {}


def missing() -> Dataset:
    """Data that are not here, as on another machine; sets what only the training uses."""
    WEIGHTS[0] = 2.0
    raise FileNotFoundError("rows.csv")


def measured() -> Dataset:
    """Rows; sets what the model uses."""
    global WIDTH
    WIDTH = ROWS.shape[1]
    return Dataset("d", Split(ROWS, ROWS), validation_split=0.5)


def weighted(config: Mapping[str, Any]) -> Any:
    """Weights that the data function sets."""
    return WEIGHTS


def measured_width(config: Mapping[str, Any]) -> keras.Model:
    """A model of a width that the data function sets."""
    return built({"width": WIDTH})


def test_data_that_set_only_what_the_training_uses_are_not_needed() -> None:
    """A model is built without its data function if that sets class weights, because the data may be missing."""
    job = job_of(built, data=missing, fit=Fit(class_weight=weighted))
    assert ModelBuilder(job, lambda: None).build({"width": 2}, seed=1).built


def test_devices_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data function that sets what the model uses is called, and TensorFlow sees the same devices."""
    hidden: list[Any] = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *devices: hidden.append(devices))
    model = ModelBuilder(job_of(measured_width, data=measured), lambda: None).build({}, seed=1)
    assert model.output_shape == (None, 3)
    assert not hidden


@pytest.mark.parametrize(
    ("x", "shapes"),
    [
        (ROWS, (1, 3)),
        ({"a": ROWS, "b": ROWS[:, 0]}, {"a": (1, 3), "b": (1,)}),
        ((ROWS, ROWS[:, :2]), ((1, 3), (1, 2))),
        (np.array(["text"] * 6, object), (1,)),
    ],
)
def test_a_study_s_record_of_its_data_is_enough_of_an_example(x: Any, shapes: Any) -> None:
    """An example from the recorded fingerprint has the structure, shapes and dtypes of the inputs."""
    recorded = fingerprint(Dataset("d", Split(x, np.zeros(6)), Split(x, np.zeros(6))))
    found = recorded_inputs(recorded)
    assert keras.tree.map_structure(lambda tensor: tuple(tensor.shape), found) == shapes


def test_without_a_record_there_is_no_example() -> None:
    """A study of an earlier version, which recorded no shapes, gives no example."""
    assert recorded_inputs(None) is None
    assert recorded_inputs({}) is None
