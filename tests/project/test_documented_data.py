"""The data functions of docs/data.md that read files, trained on files of the expected kind."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from keras import layers

from pipeline.training.trainer_factory import TrainerFactory
from tests.project.test_docs import blocks
from tests.training import job_of, resumes_exactly


def _photos() -> None:
    for name, bright in (("day", 200), ("night", 20)):
        Path("photos", name).mkdir(parents=True)
        for number in range(12):
            image = np.random.default_rng(number).integers(bright, bright + 40, (20, 20, 3))
            keras.utils.save_img(f"photos/{name}/{number}.png", image, scale=False)


def _tables() -> None:
    for name in ("train-0", "train-1", "validation-0"):
        folder = Path("rows", name.partition("-")[0])
        folder.mkdir(parents=True, exist_ok=True)
        a, b = np.random.default_rng(len(name)).normal(size=(2, 90)).astype("float32")
        pq.write_table(pa.table({"a": a, "b": b, "label": (a > b).astype("int64")}), folder / f"{name}.parquet")


def _photo_classifier(config: dict[str, Any]) -> keras.Model:
    parts = [layers.RandomFlip("horizontal"), layers.Conv2D(8, 3, activation="relu"), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([keras.Input((16, 16, 3)), *parts, layers.Dense(2, activation="softmax")])
    model.compile("adam", loss="sparse_categorical_crossentropy")
    return model


def _row_classifier(config: dict[str, Any]) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(config["lr"]), loss="sparse_categorical_crossentropy")
    return model


@pytest.mark.long
@pytest.mark.parametrize(
    ("data", "write", "model", "config"),
    [
        ("photos", _photos, _photo_classifier, {"size": 16}),
        ("shared_photos", _photos, _photo_classifier, {"size": 16}),
        ("large", _tables, _row_classifier, {"lr": 0.05}),
    ],
)
def test_data_that_read_files_train_and_resume_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, write: Any, model: Any, config: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "typed"}
    exec("\n".join(blocks("docs/data.md")), namespace)
    write()
    job = job_of(model, data=namespace[data], space=config)
    resumes_exactly(TrainerFactory(job, None), config, epochs=2, after=1)
