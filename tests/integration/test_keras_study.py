"""A study of Keras networks on a real worker: its results, its files, and its reproducibility."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import PBT, Budget, Choice, LogUniform, Objective, TuneJob, Uniform, load_results, run

SAME = ["trial_id", "epoch", "model_epoch", "segment", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]


def build_model(config: Mapping[str, Any]) -> Any:
    import keras

    model = keras.Sequential(
        [
            keras.layers.Input((64,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(config["dropout"]),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(config["lr"]), "categorical_crossentropy", metrics=["accuracy"])
    return model


def callbacks(config: Mapping[str, Any]) -> list[Any]:
    import keras

    return [keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1)]


def job(**fields: Any) -> TuneJob:
    defaults: dict[str, Any] = {
        "name": "digits",
        "model": build_model,
        "callbacks": callbacks,
        "data": "digits",
        "space": {"lr": LogUniform(1e-3, 1e-1), "dropout": Uniform(0.1, 0.5), "batch_size": Choice([32, 64])},
        "objectives": [Objective("val_accuracy", "max")],
        "scheduler": "fifo",
        "budget": Budget(trials=4, epochs=6),
        "resources": {"workers": 0},
    }
    return TuneJob(**{**defaults, **fields})


@pytest.fixture(scope="module")
def on_ray(ray_cluster: str, tmp_path_factory) -> Path:
    storage = tmp_path_factory.mktemp("on_ray")
    # A worker imports TensorFlow, which takes longer than what it trains here.
    run(job(resources={"workers": 1}), storage=storage)
    return storage / "digits"


def test_the_winner_is_exported_and_tested(on_ray):
    results = load_results(on_ray)
    assert results.state == "ended"
    assert {path.name for path in (on_ray / "export").iterdir()} == {
        "model.keras", "model.weights.h5", "provenance.json", "winner.json",
    }  # fmt: skip
    assert set(results.test) == {"test_loss", "test_accuracy"}
    assert results.test["test_accuracy"] > 0.8
    assert (on_ray / f"checkpoints/{results.best.trial_id}/{results.best.epoch:06d}.ckpt").is_file()
    reported = json.loads((on_ray / "export/winner.json").read_text())
    assert (reported["trial_id"], reported["epoch"]) == (results.best.trial_id, results.best.epoch)
    assert reported["objective"] == {"metric": "val_accuracy", "mode": "max", "value": results.best.value}


def test_a_resumed_study_in_this_process_equals_one_on_a_worker(on_ray, tmp_path):
    run(job(budget=Budget(trials=2, epochs=4)), storage=tmp_path)
    run(job(), storage=tmp_path, resume=True)
    found, expected = load_results(tmp_path / "digits"), load_results(on_ray)
    pd.testing.assert_frame_equal(found.epochs[SAME], expected.epochs[SAME], check_exact=True)
    assert len(found.sessions) == 2


def test_a_population_exploits_and_explores(tmp_path):
    run(job(scheduler=PBT(interval=1, quantile=0.25), budget=Budget(trials=4, epochs=5)), storage=tmp_path)
    results = load_results(tmp_path / "digits")
    assert set(results.trials["state"]) == {"completed"}
    exploits = results.decisions[results.decisions["kind"] == "exploit"]
    explored = results.decisions[results.decisions["kind"] == "explore"].set_index(["trial_id", "epoch"])
    assert len(exploits) == len(explored) >= 1
    for _, exploit in exploits.iterrows():
        rows = results.epochs[results.epochs["trial_id"] == exploit["trial_id"]].set_index("epoch")
        donor = results.epochs[results.epochs["trial_id"] == exploit["parent_trial"]].set_index("epoch")
        after = rows.loc[exploit["epoch"] + 1]
        assert after["segment"] == rows.loc[exploit["epoch"]]["segment"] + 1
        assert after["model_epoch"] == donor.loc[exploit["parent_epoch"]]["model_epoch"] + 1
        explore = explored.loc[exploit["trial_id"], exploit["epoch"]]
        assert json.loads(exploit["config_after"])["lr"] == donor.loc[exploit["parent_epoch"]]["config_lr"]
        assert explore["config_before"] == exploit["config_after"]
        assert json.loads(explore["config_after"])["lr"] == after["config_lr"]
    epochs = results.epochs.groupby("trial_id")["epoch"].apply(list)
    assert all(trained == list(range(1, 6)) for trained in epochs)
