"""Parts of pipelines that the trials of a node share."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline import shared_cache
from pipeline.datasets import Dataset, RecordedConfig
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.storage.scratch import SharedFolder, close_shared_folders
from pipeline.study import TuneJob
from pipeline.training.data import load_data
from pipeline.training.pipeline_stages import inexact_because
from pipeline.training.trainer_factory import TrainerFactory
from tests.processes import wait_for
from tests.unit.training.reference_training import job_of

_MADE: list[int] = []
"""The elements that were made in this process."""


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SharedFolder]:
    """The shared folder of caches."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    _MADE.clear()
    yield SharedFolder(lambda: "study")
    close_shared_folders()


def _made(x: Any) -> Any:
    def note(number: np.ndarray) -> np.ndarray:
        _MADE.append(int(number))
        return number

    return tf.ensure_shape(tf.numpy_function(note, [x], tf.int64), ())


def _rows(count: int = 8) -> tf.data.Dataset:
    return tf.data.Dataset.range(count).map(_made)


def _trained(x: Any) -> Any:
    row = tf.cast(x, tf.float32)[..., tf.newaxis]
    return row + tf.random.uniform(tf.shape(row)), row


def _data() -> Dataset:
    rows = _rows().apply(shared_cache("train"))
    return Dataset(train=rows.shuffle(8).map(_trained).batch(4), validation=_rows(4).map(_trained).batch(4))


def _job(data: Callable[..., Dataset] = _data) -> TuneJob:
    return job_of(_model, data=data)


def _model(config: Config) -> Any:
    import keras

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.2), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    return model


def _numbers(dataset: Any) -> list[Any]:
    return [element.tolist() if isinstance(element, np.ndarray) else element for element in dataset.as_numpy_iterator()]


def _call(caches: SharedFolder | None, make: Callable[[], Any], config: RecordedConfig | None = None) -> Any:
    from pipeline.training.shared_cache import in_data_call

    with in_data_call(config, caches):
        return make()


def _epochs(caches: SharedFolder | None, *, count: int = 3, after: int = 0) -> list[dict[str, float]]:
    """The metrics of a trial's epochs, from a checkpoint if some were trained before."""
    learner = TrainerFactory(_job(), None, caches=caches).learner({}, seed=5)
    for _ in range(after):
        learner.run_epoch()
    if after:
        state = learner.save()
        learner = TrainerFactory(_job(), None, caches=caches).learner({}, seed=5)
        learner.load(state)
    return [dict(learner.run_epoch().metrics) for _ in range(count - after)]


def test_elements_are_made_once(caches: SharedFolder) -> None:
    """A second call of the data function reads the elements that the first one wrote, in order, in each epoch."""
    first, second = (_call(caches, lambda: _rows().apply(shared_cache("train"))) for _ in range(2))
    assert [_numbers(each) for each in (first, first, second)] == [list(range(8))] * 3
    assert sorted(_MADE) == list(range(8))


def test_a_trial_equals_one_that_shares_nothing(caches: SharedFolder) -> None:
    """Shuffles, random maps and weights of a trial that writes, reads or lacks the cache have the same digits."""
    alone = _epochs(None)
    made = len(_MADE)
    assert _epochs(caches) == alone
    written = len(_MADE) - made
    assert _epochs(caches) == alone
    assert _epochs(caches, after=1) == alone[1:]
    # The rows of the validation are made by each trial.
    assert written > 8
    assert _MADE.count(7) == alone.__len__() + 1


def test_a_shared_part_counts_as_exact(caches: SharedFolder) -> None:
    """A pipeline with Python code before the cache counts as exact, because the code runs once."""
    job = _job(lambda: Dataset(train=_rows().map(lambda x: (x, x)).apply(shared_cache("train")).batch(4)))
    rows = _rows().batch(4)
    assert "Python code" in (inexact_because(Dataset(train=rows)) or "")
    shared, alone = (load_data(job.replaced({"objectives.0.metric": "loss"}), caches=each) for each in (caches, None))
    assert inexact_because(shared) is None
    assert inexact_because(alone) is None
    assert [part.name for part in alone.shared] == [part.name for part in shared.shared] == ["train"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.data.Dataset.from_tensor_slices({"a": [[1, 2], [3, 4]], "b": ["x", "yy"]}),
        lambda: tf.data.Dataset.from_tensor_slices((np.ones((3, 2), "float32"),)),
        lambda: tf.data.Dataset.from_tensor_slices(({"a": [1, 2]}, [3, 4])).batch(2),
        lambda: tf.data.Dataset.from_tensor_slices(tf.ragged.constant([[1], [2, 3], []])),
        lambda: tf.data.Dataset.from_tensor_slices(tf.ragged.constant([[1], [2, 3], []])).batch(2),
        lambda: tf.data.Dataset.from_tensor_slices({"a": tf.sparse.from_dense([[1, 0], [0, 2]]), "b": [1, 2]}),
        lambda: tf.data.Dataset.range(9).filter(lambda x: x % 2 == 0),
        lambda: tf.data.Dataset.range(9).shuffle(9, seed=1, reshuffle_each_iteration=False),
        lambda: tf.data.Dataset.range(500).map(lambda x: x + 1, num_parallel_calls=4),
    ],
)
def test_elements_of_any_kind_are_kept(caches: SharedFolder, make: Callable[[], Any]) -> None:
    """A cached pipeline has the structure, types, order and length of the pipeline without the cache."""
    plain, shared = make(), _call(caches, lambda: make().apply(shared_cache("part")))
    assert shared.element_spec == plain.element_spec
    assert shared.cardinality() == plain.cardinality()
    assert [str(element) for element in shared] == [str(element) for element in plain]


def test_values_of_the_config_have_caches_of_their_own(caches: SharedFolder) -> None:
    """Trials share a cache if the parameters that the function has read before it have the same values."""

    def rows(size: int, lr: float) -> list[int]:
        config = RecordedConfig({"size": size, "lr": lr})

        def make() -> Any:
            shared = tf.data.Dataset.range(config["size"]).map(_made).apply(shared_cache("train"))
            return shared.map(lambda x: x + int(config["lr"]))

        return _numbers(_call(caches, make, config))

    assert [rows(2, 1), rows(2, 5), rows(3, 1)] == [[1, 2], [5, 6], [1, 2, 3]]
    assert sorted(_MADE) == [0, 0, 1, 1, 2]


def test_a_parameter_that_is_read_too_late_is_named(caches: SharedFolder) -> None:
    """A generator that reads the config while its elements are created is refused with the parameter."""
    config = RecordedConfig({"size": 2})

    def make() -> Any:
        rows = tf.data.Dataset.from_generator(
            lambda: iter(range(config["size"])), output_signature=tf.TensorSpec((), tf.int64)
        )
        return rows.apply(shared_cache("train"))

    with pytest.raises(DataError, match="reads size of the config only while it produces elements"):
        _call(caches, make, config)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: _rows().shuffle(8), "has a shuffle"),
        (lambda: _rows().map(lambda x: x + tf.random.uniform((), maxval=3, dtype=tf.int64)), "draws random numbers"),
        (lambda: _rows().map(lambda x: x, num_parallel_calls=2, deterministic=False), "deterministic=False"),
        (lambda: tf.data.Dataset.random().take(3), "draws random numbers"),
        (lambda: _rows().repeat(), "never ends"),
        (lambda: np.ones(3), "found an object of type ndarray"),
    ],
)
def test_other_pipelines_are_refused(make: Callable[[], Any], why: str) -> None:
    """A pipeline that is random or endless, and any other object, is refused by the cache at any call."""
    with pytest.raises(DataError, match=why):
        shared_cache("train")(make())


def test_outside_of_trials_a_pipeline_stays_as_it_is() -> None:
    """Outside of a trial, or without a shared folder, the pipeline is returned unread."""
    rows = _rows()
    assert rows.apply(shared_cache("train")) is rows
    passed = _call(None, lambda: shared_cache("train")(rows))
    assert passed.element_spec == rows.element_spec
    assert _MADE == []
    assert _numbers(passed) == _numbers(rows)


def test_a_full_disk_leaves_each_trial_its_own(
    caches: SharedFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a full disk, no cache is left, trials read their own pipelines, and the log reports the reason."""
    monkeypatch.setattr("pipeline.training.shared_cache.FREE_DISK_BYTES", 2**60)
    for _ in range(2):
        assert _numbers(_call(caches, lambda: _rows().apply(shared_cache("train")))) == list(range(8))
        printed = capsys.readouterr().out
        assert "The cache 'train' is not shared" in printed
        assert "its elements leave less than" in printed
    assert sum(path.stat().st_size for path in caches.path.rglob("*") if path.is_file()) < 1000
    # Writing was tried once, and ended with the first element; then each of the two made its own.
    assert len(_MADE) <= 8 + 8 + 8


def test_an_error_of_the_pipeline_is_raised_and_nothing_is_kept(caches: SharedFolder) -> None:
    """An error in an element ends the trial with that error, and the next trial writes the cache again."""
    broken = [True]

    def failing(x: np.ndarray) -> np.ndarray:
        if broken[0] and x == 3:
            raise ValueError("row 3 is broken")
        return x

    def make() -> Any:
        rows = tf.data.Dataset.range(8).map(lambda x: tf.ensure_shape(tf.numpy_function(failing, [x], tf.int64), ()))
        return rows.apply(shared_cache("train"))

    with pytest.raises(tf.errors.InvalidArgumentError, match="row 3 is broken"):
        _call(caches, make)
    broken[0] = False
    assert _numbers(_call(caches, make)) == list(range(8))


_HANGING_WRITER = """
import threading
import tensorflow as tf
from pipeline import shared_cache
from pipeline.storage.scratch import SharedFolder
from pipeline.training.shared_cache import in_data_call

def hanging(x):
    if x == 5:
        print("hangs", flush=True)
        threading.Event().wait()
    return x

with in_data_call(None, SharedFolder(lambda: "study")):
    rows = tf.data.Dataset.range(8).map(lambda x: tf.ensure_shape(tf.numpy_function(hanging, [x], tf.int64), ()))
    rows.apply(shared_cache("train"))
"""


def test_a_killed_writer_is_replaced_by_one_that_waits(
    caches: SharedFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the trial that writes a cache is killed, a waiting trial writes it completely, and a third reads it."""

    def shared() -> list[Any]:
        return _numbers(_call(caches, lambda: _rows().apply(shared_cache("train"))))

    assert caches.path.is_dir()
    # Only the writer needs its own process, which is killed; the kernel does not care who waits for its lock.
    writer = subprocess.Popen([sys.executable, "-c", _HANGING_WRITER], stdout=subprocess.PIPE, text=True)
    with ThreadPoolExecutor(1) as trials:
        try:
            assert writer.stdout is not None
            assert "hangs\n" in iter(writer.stdout.readline, "")
            waiting = trials.submit(shared)
            wait_for(lambda: "this trial waits for it" in capsys.readouterr().out, writer)
            assert _MADE == []
        finally:
            writer.kill()
            writer.communicate()
    numbers = list(range(8))
    assert waiting.result() == _MADE == numbers
    assert shared() == _MADE == numbers
