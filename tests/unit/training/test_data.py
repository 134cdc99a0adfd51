"""Data functions are called under the study's seed."""

import hashlib
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pipeline.datasets import Dataset, Split
from pipeline.errors import DataError, ModelError
from pipeline.space import Uniform
from pipeline.study import Fit, Objective, TuneJob
from pipeline.training.data import check_functions, load_data, set_up_models, without_validation


def _drawn_by_python_and_numpy() -> Dataset:
    x = np.random.normal(size=(8, 2)) + random.random()
    return Dataset("d", Split(x, np.zeros(8)), Split(x, np.zeros(8)))


def _drawn_by_tensorflow_and_keras() -> Dataset:
    import keras
    import tensorflow as tf

    x = np.asarray(tf.random.normal((8, 2))) + np.asarray(keras.random.normal((8, 2))) + random.random()
    return Dataset("d", Split(x, np.zeros(8)), Split(x, np.zeros(8)))


def _job(data: Any, seed: int = 0) -> TuneJob:
    return TuneJob(name="a", model=_build, data=data, space={}, objectives=Objective("v", "max"), seed=seed)


def _build(config: dict[str, Any]) -> None:
    """A model function."""


@pytest.mark.parametrize("data", [_drawn_by_python_and_numpy, _drawn_by_tensorflow_and_keras])
def test_a_data_function_returns_the_same_each_time(data: Any) -> None:
    """A data function returns the same data after any draws, and other data for another seed."""
    first = load_data(_job(data))
    random.random()
    np.random.random()
    second, other = load_data(_job(data)), load_data(_job(data, seed=1))
    assert first is not None
    assert second is not None
    assert other is not None
    np.testing.assert_array_equal(first.train.x, second.train.x)
    assert not np.array_equal(first.train.x, other.train.x)


@pytest.fixture(scope="module")
def loaded_by_a_driver() -> subprocess.CompletedProcess[str]:
    """A driver's process whose data function imports TensorFlow, and which prints a checksum of the rows."""
    code = (
        "import hashlib, sys; from tests.unit.training.test_data import _job, load_data\n"
        "from tests.unit.training import test_data\n"
        "assert 'tensorflow' not in sys.modules\n"
        "data = load_data(_job(test_data._drawn_by_tensorflow_and_keras), trains=False)\n"
        "print(hashlib.sha256(data.train.x.tobytes()).hexdigest())"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.long
def test_data_do_not_depend_on_when_keras_is_imported(loaded_by_a_driver: subprocess.CompletedProcess[str]) -> None:
    """A process that has imported TensorFlow and one whose data function imports it get the same data."""
    data = load_data(_job(_drawn_by_tensorflow_and_keras))
    assert "tensorflow" in sys.modules
    assert data is not None
    assert loaded_by_a_driver.stdout == f"{hashlib.sha256(data.train.x.tobytes()).hexdigest()}\n"


def test_a_missing_gpu_driver_is_not_mentioned_where_nothing_trains(
    loaded_by_a_driver: subprocess.CompletedProcess[str],
) -> None:
    """A driver's process whose data function creates tensors prints nothing about missing GPUs."""
    assert "cuInit" not in loaded_by_a_driver.stderr


def test_a_function_objective_has_no_data() -> None:
    """A study of a plain function loads no data and sets no seed."""
    job = TuneJob(name="a", function=_build, space={}, objectives=Objective("v", "max"), scheduler="fifo")
    assert load_data(job) is None


def _without_validation() -> Dataset:
    return Dataset("inputs", Split(np.zeros((8, 2))))


def test_an_objective_of_validation_needs_a_validation_split() -> None:
    """A val_ metric without validation rows is refused with an alternative; a training metric is noted."""
    job = _job(_without_validation)
    with pytest.raises(DataError, match=r"no metric val_loss.*such as loss"):
        load_data(job.replaced({"objectives": [Objective("val_loss", "min")]}))
    job = job.replaced({"objectives": [Objective("loss", "min")]})
    assert "compared by loss" in (without_validation(job, load_data(job)) or "")


def _no_weights(config: dict[str, Any]) -> Any:
    return config["lr"]


def _misspelt(config: dict[str, Any]) -> Any:
    return {0: config["weigth"]}


@pytest.mark.parametrize(
    ("function", "reported"),
    [
        (_no_weights, r"fit\.class_weight: _no_weights\(config\) returned 0\.\d+, .* must be a dict"),
        (_misspelt, r"raised KeyError: 'weigth' \(.*test_data\.py, line \d+, in _misspelt\), for {'lr'"),
    ],
)
def test_functions_of_fit_are_called_before_anything_starts(function: Any, reported: str) -> None:
    """A function in `fit` that fails or returns an invalid value is reported as a fault of the job, with a config."""
    job = _job(_without_validation).replaced({"space": {"lr": Uniform(0.1, 0.9)}, "fit": Fit(class_weight=function)})
    with pytest.raises(ModelError, match=reported):
        check_functions(job)


CLASSES = 0
WEIGHTS: dict[int, float] = {}
LOADED: list[int] = []


def _counting() -> Dataset:
    global CLASSES
    LOADED.append(1)
    CLASSES = 3
    return Dataset("d", Split(np.zeros((8, 2)), np.arange(8) % CLASSES), validation_split=0.5)


def test_a_data_function_that_sets_what_models_read_is_called_once_in_their_process() -> None:
    """A worker that gets arrays from the driver calls their function once if that sets what the models read."""
    job = _job(_counting).replaced({"objectives": [Objective("loss", "min")]})
    set_up_models(job)
    assert (CLASSES, len(LOADED)) == (0, 0)
    job = job.replaced({"model": lambda: CLASSES})
    set_up_models(job)
    set_up_models(job)
    assert (CLASSES, len(LOADED)) == (3, 1)


def _weighting() -> Dataset:
    LOADED.append(1)
    WEIGHTS[0] = 2.0
    return Dataset("d", Split(np.zeros((8, 2)), np.zeros(8)), validation_split=0.5)


def _weighting_again() -> Dataset:
    return _weighting()


def _weighting_for(config: dict[str, Any]) -> Dataset:
    WEIGHTS[config["rows"]] = 2.0
    return _weighting()


def _reads_weights(config: dict[str, Any]) -> Any:
    return WEIGHTS


@pytest.fixture
def _not_loaded() -> None:
    LOADED.clear()


@pytest.mark.usefixtures("_not_loaded")
def test_state_of_the_training_is_not_set_where_models_are_only_built() -> None:
    """A data function that sets what the class weights use is called where models train, not where they are built."""
    job = _job(_weighting).replaced({"fit": Fit(class_weight=_reads_weights)})
    set_up_models(job, trains=False)
    assert not LOADED
    set_up_models(job)
    assert len(LOADED) == 1


@pytest.mark.usefixtures("_not_loaded")
def test_a_model_is_not_set_up_twice_for_what_its_data_function_reads() -> None:
    """A data function with a config is called again only for other values of what it read in its last call."""
    job = _job(_weighting_for).replaced({"model": _reads_weights, "space": {"rows": 8, "lr": 0.1}})
    for rows, lr in ((8, 0.1), (8, 0.2), (4, 0.1), (8, 0.1)):
        set_up_models(job, config={"rows": rows, "lr": lr})
    assert len(LOADED) == 3


@pytest.mark.usefixtures("_not_loaded")
def test_setting_up_models_hides_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The devices that TensorFlow sees stay as they are where a data function sets up the models."""
    import tensorflow as tf

    hidden: list[Any] = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *devices: hidden.append(devices))
    set_up_models(_job(_weighting_again).replaced({"model": _reads_weights}))
    assert LOADED
    assert not hidden
