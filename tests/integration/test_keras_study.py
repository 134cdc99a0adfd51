"""A study of Keras networks on real workers: its results, its files, and its reproducibility."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import PBT, Budget, Checkpoints, Choice, LogUniform, Objective, TuneJob, Uniform, load_results, run
from tests.integration.one_time_events import first

pytestmark = pytest.mark.usefixtures("ray_cluster")

ONE, HERE = {"workers": 1}, {"workers": 0}
"""Each worker imports TensorFlow, which takes longer than what it trains here: two, or one, only where they matter."""

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

    class Die(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 3 and config.get("marker") and first(str(config["marker"])):
                os.kill(os.getpid(), signal.SIGKILL)

    return [keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1), Die()]


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
    }
    return TuneJob(**{**defaults, **fields})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    storage = tmp_path_factory.mktemp("undisturbed")
    run(job(), storage=storage)
    return storage / "digits"


def test_the_winner_is_exported_and_tested(undisturbed):
    results = load_results(undisturbed)
    assert results.state == "finished"
    assert {path.name for path in (undisturbed / "export").iterdir()} == {
        "model.keras", "model.weights.h5", "provenance.json", "winner.json",
    }  # fmt: skip
    assert set(results.test) == {"test_loss", "test_accuracy"}
    assert results.test["test_accuracy"] > 0.8
    assert (undisturbed / f"checkpoints/{results.best.trial_id}/{results.best.epoch:06d}.ckpt").is_file()
    reported = json.loads((undisturbed / "export/winner.json").read_text())
    assert (reported["trial_id"], reported["epoch"]) == (results.best.trial_id, results.best.epoch)
    assert reported["objective"] == {"metric": "val_accuracy", "mode": "max", "value": results.best.value}


def test_the_result_depends_on_the_config_alone(undisturbed, tmp_path):
    expected = load_results(undisturbed).epochs[SAME]
    run(job(resources=HERE), storage=tmp_path)
    pd.testing.assert_frame_equal(load_results(tmp_path / "digits").epochs[SAME], expected, check_exact=True)


@pytest.mark.long
def test_a_killed_trial_continues_exactly(undisturbed, tmp_path):
    space = {**job().space, "marker": str(tmp_path / "died")}
    run(job(space=space, checkpoints=Checkpoints(seconds=1e-6), resources=ONE), storage=tmp_path)
    killed, expected = load_results(tmp_path / "digits"), load_results(undisturbed)
    pd.testing.assert_frame_equal(killed.epochs[SAME], expected.epochs[SAME], check_exact=True)
    assert sorted(killed.trials["attempts"]) == [1, 1, 1, 2]


@pytest.mark.long
def test_an_interrupted_study_is_resumed_exactly(undisturbed, tmp_path):
    run(job(budget=Budget(trials=2, epochs=6), resources=HERE), storage=tmp_path)
    run(job(resources=ONE), storage=tmp_path, resume=True)
    found, expected = load_results(tmp_path / "digits"), load_results(undisturbed)
    pd.testing.assert_frame_equal(found.epochs[SAME], expected.epochs[SAME], check_exact=True)
    assert len(found.sessions) == 2


def test_a_population_exploits_and_explores(tmp_path):
    population = job(scheduler=PBT(interval=1, quantile=0.25), budget=Budget(trials=4, epochs=5), resources=HERE)
    run(population, storage=tmp_path)
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
