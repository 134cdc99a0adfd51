"""Studies whose trials have several models: their tables, their winner, and resuming."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.datasets import Dataset, Split
from pipeline.engine import limits
from pipeline.execution.worker import winner
from pipeline.training.trainer_factory import TrainerFactory


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
        "name": "s",
        "model": network,
        "data": rows,
        "space": {"lr": Uniform(0.01, 0.1)},
        "objectives": [Objective("val_loss", "min")],
        "scheduler": "fifo",
        "budget": Budget(trials=2, epochs=3),
        "resources": {"workers": 0},
        "batch_size": 8,
    }
    return TuneJob(**{**defaults, **fields})


def exported(storage: Path) -> list[np.ndarray]:
    weights: list[np.ndarray] = keras.saving.load_model(storage / "s/export/model.keras", compile=False).get_weights()
    return weights


@pytest.fixture(
    scope="module",
    params=[{"folds": 2}, pytest.param({"repeats": 2}, marks=pytest.mark.long)],
    ids=["folds", "repeats"],
)
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    with pytest.MonkeyPatch.context() as patches:
        for module in (limits, winner):
            patches.setattr(module, "report_seconds", lambda _: 0.0)
        run(job(**request.param), storage=folder)
    return folder


def test_the_winner_is_a_model_of_the_whole_training_split(storage: Path) -> None:
    best = load_results(storage / "s").best
    assert best is not None
    alone: Any = TrainerFactory(job(), rows()).learner(best.config, seed=0)
    for _ in range(best.epoch):
        alone.run_epoch()
    assert all(np.array_equal(a, b) for a, b in zip(exported(storage), alone.model.get_weights(), strict=True))
    test = json.loads((storage / "s/export/winner.json").read_text())["metrics"]
    assert test.keys() == {"test_loss"}


def test_the_tables_have_every_model(storage: Path) -> None:
    results = load_results(storage / "s")
    label, epochs = "fold" if results.job["folds"] > 1 else "repeat", results.epochs
    single = epochs[[f"val_loss_{label}1", f"val_loss_{label}2"]].to_numpy()
    assert len(epochs) == 6
    np.testing.assert_allclose(epochs["val_loss"], single.mean(axis=1))
    np.testing.assert_allclose(epochs["val_loss_std"], single.std(axis=1))
    assert (single[:, 0] != single[:, 1]).all()
