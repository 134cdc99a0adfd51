"""Studies whose trials have several models: their tables and their winner."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.datasets import Dataset, Split
from pipeline.training.trainer_factory import TrainerFactory
from tests.cases import cases


def network(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), "sparse_categorical_crossentropy", jit_compile=False)
    return model


def rows() -> Dataset:
    draw = np.random.default_rng(0)
    splits = [
        Split(draw.normal(size=(n, 6)).astype(np.float32), draw.integers(0, 3, n).astype(np.int32)) for n in (40, 9, 9)
    ]
    return Dataset("tiny", *splits)


def job(**fields: Any) -> TuneJob:
    defaults: dict[str, Any] = {
        "name": "s", "model": network, "data": rows, "space": {"lr": Uniform(0.01, 0.1)},
        "objectives": [Objective("val_loss", "min")], "scheduler": "fifo", "budget": Budget(trials=2, epochs=3),
        "resources": {"workers": 0}, "batch_size": 8,
    }  # fmt: skip
    return TuneJob(**{**defaults, **fields})


@pytest.mark.parametrize("several", cases(({"folds": 2}, {"repeats": 2}), ({"folds": 2},)))
def test_tables_have_every_model_and_the_winner_is_one_of_the_whole_training_split(
    several: Mapping[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pipeline.engine.limits", "pipeline.execution.worker.worker"):
        monkeypatch.setattr(f"{module}.report_seconds", lambda _: 0.0)
    run(job(**several), storage=tmp_path)
    results = load_results(tmp_path / "s")
    label, epochs = "fold" if "folds" in several else "repeat", results.epochs
    single = epochs[[f"val_loss_{label}1", f"val_loss_{label}2"]].to_numpy()
    assert len(epochs) == 6
    np.testing.assert_allclose(epochs["val_loss"], single.mean(axis=1))
    np.testing.assert_allclose(epochs["val_loss_std"], single.std(axis=1))
    assert (single[:, 0] != single[:, 1]).all()

    assert results.best is not None
    alone: Any = TrainerFactory(job(), rows()).learner(results.best.config, seed=0)
    for _ in range(results.best.epoch):
        alone.run_epoch()
    exported = keras.saving.load_model(tmp_path / "s/export/model.keras", compile=False).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(exported, alone.model.get_weights(), strict=True))
    assert results.test.keys() == {"test_loss"}
