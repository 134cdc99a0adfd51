"""A job's data: loaded under its seed, once for each combination, shared by the trials of a node; arrays and folds."""

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from pipeline import shared_cache
from pipeline.datasets import Dataset, RecordedConfig, Split
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.storage.scratch import SharedFolder, close_shared_folders
from pipeline.study import Objective, TuneJob
from pipeline.study.context import TrialContext, in_trial
from pipeline.training.arrays import folds_of
from pipeline.training.base import NotNumeric, as_number
from pipeline.training.data import in_data_call, load_data
from pipeline.training.trainer_factory import TrainerFactory
from tests import training
from tests.model_kinds import dense
from tests.training import epochs_of, job_of


def drawn_by_tensorflow_and_keras() -> Dataset:
    import keras
    import tensorflow as tf

    x = np.asarray(tf.random.normal((8, 2))) + np.asarray(keras.random.normal((8, 2))) + random.random()
    return Dataset("d", Split(x, np.zeros(8)), Split(x, np.zeros(8)))


def test_a_data_function_returns_the_same_each_time() -> None:
    data = drawn_by_tensorflow_and_keras
    first: Any = load_data(job_of(dense, data=data))
    random.random()
    second: Any = load_data(job_of(dense, data=data))
    other: Any = load_data(job_of(dense, data=data, seed=1))
    np.testing.assert_array_equal(first.train.x, second.train.x)
    assert not np.array_equal(first.train.x, other.train.x)


def test_an_objective_of_validation_needs_a_validation_split() -> None:
    job = job_of(dense, data=lambda: Dataset("inputs", Split(np.zeros((8, 2)))))
    with pytest.raises(DataError, match="no metric val_loss"):
        load_data(job)
    job = job.replaced({"objectives": [Objective("loss", "min")]})
    assert load_data(job) is not None


# Data of configs.


def wide(config: Mapping[str, Any]) -> Dataset:
    width = config["width"]
    training.CALLS.append((width, str(Path.cwd())))
    x = np.random.normal(size=(24, width)).astype("float32")
    return Dataset("wide", *(Split(part, part.sum(axis=1)) for part in (x[:16], x[16:])))


def narrow(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential([layers.Input((config["width"],)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(config["lr"]), "mse")
    return model


def widths() -> list[int]:
    return [width for width, _ in training.CALLS]


def _job(data: Any = wide) -> TuneJob:
    return job_of(narrow, data=data, space={"width": 3, "lr": 0.1})


def _losses(factory: TrainerFactory, width: int, lr: float = 0.1) -> list[dict[str, float]]:
    learner = factory.learner({"width": width, "lr": lr}, seed=1)
    found = epochs_of(learner, 2)
    learner.close()
    return found


def test_trials_share_the_data_of_their_combination_within_the_memory(tmp_path: Path) -> None:
    factory = TrainerFactory(_job(), None, memory=900.0)
    alone = _losses(TrainerFactory(_job(), None), 3, 0.2)
    training.CALLS.clear()
    with in_trial(TrialContext("0000", 1, 2, tmp_path)):
        factory.learner({"width": 3, "lr": 0.1}, seed=1)
    for width, lr in ((4, 0.1), (4, 0.3)):
        _losses(factory, width, lr)
    assert _losses(factory, 3, 0.2) == alone
    assert [(3, str(Path.cwd())), (4, str(Path.cwd()))] == training.CALLS
    for width in (5, 3, 4):
        _losses(factory, width)
    assert widths() == [3, 4, 5, 3, 4]


# Parts of pipelines that the trials of a node share.

MADE: list[int] = []


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedFolder]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    MADE.clear()
    yield SharedFolder(lambda: "study")
    close_shared_folders()


def noted(x: Any) -> Any:
    def note(number: np.ndarray) -> np.ndarray:
        MADE.append(int(number))
        return number

    return tf.ensure_shape(tf.numpy_function(note, [x], tf.int64), ())


def rows(count: int = 8) -> tf.data.Dataset:
    return tf.data.Dataset.range(count).map(noted)


def numbers(dataset: Any) -> list[Any]:
    return list(dataset.as_numpy_iterator())


def call(caches: SharedFolder | None, make: Callable[[], Any], config: RecordedConfig | None = None) -> Any:
    with in_data_call(config, caches):
        return make()


def test_a_trial_equals_one_that_shares_nothing_and_elements_are_made_once(caches: SharedFolder) -> None:
    def trained(x: Any) -> Any:
        row = tf.cast(x, tf.float32)[..., tf.newaxis]
        return row + tf.random.uniform(tf.shape(row)), row

    def data() -> Dataset:
        shared = rows().apply(shared_cache("train"))
        plain = tf.data.Dataset.range(4)
        return Dataset(train=shared.shuffle(8).map(trained).batch(4), validation=plain.map(trained).batch(4))

    def model(config: Config) -> keras.Model:
        model = keras.Sequential([keras.Input((1,)), layers.Dropout(0.2), layers.Dense(1)])
        model.compile("sgd", loss="mse")
        return model

    alone = epochs_of(TrainerFactory(job_of(model, data=data), None).learner({}, seed=5), 3)
    MADE.clear()
    for _ in range(2):
        learner = TrainerFactory(job_of(model, data=data), None, caches=caches).learner({}, seed=5)
        assert epochs_of(learner, 3) == alone
    assert sorted(MADE) == list(range(8))


def test_values_of_the_config_have_caches_of_their_own(caches: SharedFolder) -> None:
    def found(size: int, lr: float) -> list[int]:
        config = RecordedConfig({"size": size, "lr": lr})

        def make() -> Any:
            shared = tf.data.Dataset.range(config["size"]).map(noted).apply(shared_cache("train"))
            return shared.map(lambda x: x + int(config["lr"]))

        return numbers(call(caches, make, config))

    assert [found(2, 1), found(2, 5), found(3, 1)] == [[1, 2], [5, 6], [1, 2, 3]]
    assert sorted(MADE) == [0, 0, 1, 1, 2]


def test_a_parameter_that_is_read_too_late_is_named(caches: SharedFolder) -> None:
    config = RecordedConfig({"size": 2})
    spec = tf.TensorSpec((), tf.int64)

    def make() -> Any:
        made = tf.data.Dataset.from_generator(lambda: iter(range(config["size"])), output_signature=spec)
        return made.apply(shared_cache("train"))

    with pytest.raises(DataError, match="reads size of the config only while"):
        call(caches, make, config)


def test_outside_of_trials_a_pipeline_stays_as_it_is_and_a_name_is_used_once() -> None:
    made = rows()
    assert made.apply(shared_cache("train")) is made
    with pytest.raises(DataError, match="twice"):
        call(None, lambda: [made.apply(shared_cache("train")) for _ in range(2)])


def test_a_full_disk_leaves_each_trial_its_own(
    caches: SharedFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.training.data.FREE_DISK_BYTES", 2**60)
    for _ in range(2):
        assert numbers(call(caches, lambda: rows().apply(shared_cache("train")))) == list(range(8))
        assert "is not shared" in capsys.readouterr().out
    assert sum(path.stat().st_size for path in caches.path.rglob("*") if path.is_file()) < 1000


# Arrays.


def test_folds_divide_the_rows_by_the_seed_with_the_same_part_of_every_class() -> None:
    y = np.repeat([0, 1, 2], [30, 12, 6])
    split = Split(np.arange(48.0)[:, None], y)
    folds = folds_of(split, 3, seed=1)
    assert sorted(np.concatenate([fold.validation for fold in folds])) == list(range(48))  # type: ignore[arg-type]
    for fold in folds:
        assert fold.train is not None
        assert fold.validation is not None
        assert not set(fold.train) & set(fold.validation)
        assert np.bincount(y[fold.validation]).tolist() == [10, 4, 2]
    again = folds_of(split, 3, seed=1)
    assert all(np.array_equal(a.train, b.train) for a, b in zip(folds, again, strict=True))  # type: ignore[arg-type]
    assert len(folds_of(Split(np.zeros((9, 1)), np.random.default_rng(0).normal(size=9)), 3, seed=0)) == 3
    with pytest.raises(DataError, match="folds is 49, and must"):
        folds_of(split, 49, seed=0)


# Numbers.


def test_real_numbers_are_metrics_and_nothing_else() -> None:
    values = [3, True, np.float32(3), np.array([[3]]), tf.constant([3.0]), keras.Variable(3.0), 10**400]
    assert list(map(as_number, values)) == [3.0, 1.0, 3.0, 3.0, 3.0, 3.0, np.inf]
    for value in (None, "3", b"3", 1j, [3], np.zeros(2), np.array(["3"]), tf.zeros((2, 2)), object()):
        with pytest.raises(NotNumeric):
            as_number(value)
