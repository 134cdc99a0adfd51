"""The data functions of docs/data.md that read files, trained on files of the expected kind."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import Budget, Dataset, Objective, TuneJob
from tests.project.test_docs import blocks


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """The names that the page defines."""
    namespace: dict[str, Any] = {"__name__": "typed"}
    exec("\n".join(blocks("docs/data.md")), namespace)
    return namespace


def _photos() -> None:
    import keras

    for name, bright in (("day", 200), ("night", 20)):
        Path("photos", name).mkdir(parents=True)
        for number in range(12):
            image = np.random.default_rng(number).integers(bright, bright + 40, (20, 20, 3))
            keras.utils.save_img(f"photos/{name}/{number}.png", image, scale=False)


def _records() -> None:
    import tensorflow as tf

    Path("records").mkdir()
    for name, rows in (("train-0", 150), ("train-1", 150), ("validation-0", 100)):
        with tf.io.TFRecordWriter(f"records/{name}") as writer:
            for x in np.random.default_rng(0).normal(size=(rows, 8)):
                numbers = tf.train.Feature(float_list=tf.train.FloatList(value=x))
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(x.sum() > 0)]))
                example = tf.train.Example(features=tf.train.Features(feature={"x": numbers, "y": label}))
                writer.write(example.SerializeToString())


def _tables() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in ("train-0", "train-1", "validation-0"):
        folder = Path("rows", name.partition("-")[0])
        folder.mkdir(parents=True, exist_ok=True)
        a, b = np.random.default_rng(len(name)).normal(size=(2, 90)).astype("float32")
        pq.write_table(pa.table({"a": a, "b": b, "label": (a > b).astype("int64")}), folder / f"{name}.parquet")


def _epochs(job: TuneJob, config: dict[str, Any], *, stop: int) -> list[dict[str, float]]:
    """Two epochs of a trial that is stopped after some of them and resumed."""
    from pipeline.training.trainer_factory import TrainerFactory

    learner = TrainerFactory(job, None).learner(config, seed=1)
    found = [dict(learner.run_epoch().metrics) for _ in range(stop)]
    if stop < 2:
        resumed = TrainerFactory(job, None).learner(config, seed=1)
        resumed.load(learner.save())
        found.append(dict(resumed.run_epoch().metrics))
    return found


def _photo_classifier(config: dict[str, Any]) -> Any:
    import keras

    model = keras.Sequential(
        [
            keras.Input((config["size"], config["size"], 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.RandomFlip("horizontal"),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", loss="sparse_categorical_crossentropy")
    return model


def _row_classifier(config: dict[str, Any]) -> Any:
    import keras

    model = keras.Sequential([keras.Input((config["width"],)), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(config["lr"]), loss="sparse_categorical_crossentropy")
    return model


def records() -> Dataset:
    import tensorflow as tf

    features = {"x": tf.io.FixedLenFeature((8,), tf.float32), "y": tf.io.FixedLenFeature((), tf.int64)}

    def rows(pattern: str) -> Any:
        def parsed(record: Any) -> tuple[Any, Any]:
            example = tf.io.parse_single_example(record, features)
            return example["x"], example["y"]

        return tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(pattern))).map(parsed)

    train = rows("records/train-*").shuffle(10_000).batch(64).prefetch(tf.data.AUTOTUNE)
    return Dataset("records", train=train, validation=rows("records/validation-*").batch(64))


def people(rows: int) -> tuple[dict[str, Any], Any]:
    rng = np.random.default_rng(rows)
    columns = {"age": rng.uniform(20, 80, rows).astype("float32"), "sex": rng.choice(["f", "m"], rows)}
    return columns, (columns["age"] > 50).astype("int64")


@cache
def feature_space(bins: int) -> Any:
    import tensorflow as tf
    from keras.utils import FeatureSpace

    space = FeatureSpace(
        features={"age": FeatureSpace.float_discretized(num_bins=bins), "sex": FeatureSpace.string_categorical()},
        crosses=[FeatureSpace.cross(("age", "sex"), crossing_dim=8)],
        output_mode="concat",
    )
    space.adapt(tf.data.Dataset.from_tensor_slices(people(90)[0]).batch(16))
    return space


def encoded(config: dict[str, Any]) -> Dataset:
    import tensorflow as tf

    space = feature_space(config["bins"])

    def batches(table: Any) -> Any:
        return table.batch(16).map(lambda x, y: (space(x), y), num_parallel_calls=tf.data.AUTOTUNE)

    train, validation = (tf.data.Dataset.from_tensor_slices(people(rows)) for rows in (90, 30))
    return Dataset("people", train=batches(train.shuffle(90)), validation=batches(validation))


def older(config: dict[str, Any]) -> Any:
    import keras

    inputs = feature_space(config["bins"]).get_encoded_features()
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs))
    model.compile(keras.optimizers.Adam(1e-2), loss="binary_crossentropy")
    return model


@pytest.mark.long
@pytest.mark.parametrize(
    ("data", "model", "config"),
    [
        pytest.param("photos", _photo_classifier, {"size": 16}, marks=pytest.mark.long),
        ("shared_photos", _photo_classifier, {"size": 16}),
        ("large", _row_classifier, {"width": 2, "lr": 0.05}),
        (records, _row_classifier, {"width": 8, "lr": 0.05}),
        (encoded, older, {"bins": 5}),
    ],
)
def test_data_that_read_files_train_and_resume_exactly(
    page: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Any, model: Any, config: dict[str, Any]
) -> None:
    """Documented functions, TFRecords and a feature space have the same digits in a resumed trial."""
    monkeypatch.chdir(tmp_path)
    {"large": _tables, records: _records}.get(data, _photos)()
    job = TuneJob(
        name="documented",
        model=model,
        data=page[data] if isinstance(data, str) else data,
        space=config,
        objectives=[Objective("val_loss", "min")],
        budget=Budget(trials=1, epochs=4),
    )
    undisturbed = _epochs(job, config, stop=2)
    assert _epochs(job, config, stop=1) == undisturbed
    assert set(undisturbed[0]) >= {"loss", "val_loss"}
