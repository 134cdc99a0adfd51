"""Real studies under each scheduler, interrupted and resumed."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from pipeline import (
    Budget,
    Choice,
    LogUniform,
    Objective,
    PromotingASHA,
    Resources,
    TuneJob,
    Uniform,
    load_results,
    run,
)
from pipeline.schedulers import SCHEDULERS
from pipeline.study import layout

pytestmark = [pytest.mark.usefixtures("ray_cluster"), pytest.mark.long]

HERE = Resources(workers=0)
"""Models are trained in this process, which imports TensorFlow once: other tests show that workers do the same."""

ENDS = {"stop": "stopped", "finish": "completed", "fail": "failed"}


def rising(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Rises at the config's speed; later trials may overtake earlier ones."""
    for step in range(1, 100):
        yield {"score": config["x"] * (1 - 0.5 ** (step * (1.2 - config["x"])))}


def build_model(config: Mapping[str, Any]) -> Any:
    """A small network on the digits."""
    import keras

    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.SGD(config["lr"]), "categorical_crossentropy", metrics=["accuracy"])
    return model


def job(kind: str, **fields: Any) -> TuneJob:
    """Nine trials of nine epochs: functions, or models if weights are exchanged."""
    defaults: dict[str, Any] = {
        "name": "cut",
        "function": rising,
        "space": {"x": Uniform(0, 1)},
        "objectives": [Objective("score", "max")],
        "scheduler": kind,
        "budget": Budget(trials=9, epochs=9),
    }
    if SCHEDULERS[kind].exploits:
        defaults |= {
            "function": None,
            "model": build_model,
            "data": "digits",
            "space": {"lr": LogUniform(1e-4, 1)},
            "objectives": [Objective("val_accuracy", "max")],
            "budget": Budget(trials=5, epochs=5),
            "resources": HERE,
        }
    return TuneJob(**{**defaults, **fields})


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_a_study_that_is_cut_off_continues_to_its_end(tmp_path, kind):
    """A study whose budget ended its first session resumes: no trial is lost, and each ends once."""
    whole = job(kind)
    run(whole.replaced({"budget.total_epochs": 11}), storage=tmp_path)
    cut = load_results(tmp_path / "cut")
    assert set(cut.trials["state"]) <= {"stopped", "completed"}
    run(whole, storage=tmp_path, resume=True)
    results = load_results(tmp_path / "cut")
    assert results.state == "finished"
    assert len(results.trials) == whole.budget.trials
    assert set(results.trials["state"]) <= {"stopped", "completed"}
    for trial_id, rows in results.epochs.groupby("trial_id"):
        assert list(rows["epoch"]) == list(range(1, len(rows) + 1)), trial_id
    last = results.decisions.drop_duplicates("trial_id", keep="last").set_index("trial_id")["kind"].map(ENDS)
    states = results.trials.set_index("trial_id")["state"]
    assert last.sort_index().equals(states.sort_index().rename("kind"))
    assert results.decisions["reason"].str.strip().ne("").all()
    kinds = set(results.decisions["kind"])
    assert ("promote" in kinds) == (kind in ("promoting-asha", "promoting-moasha", "pasha", "halving", "hyperband"))
    assert ("explore" in kinds) == SCHEDULERS[kind].exploits


@pytest.mark.parametrize("kind", ["asha", "promoting-asha", "pasha", "halving", "hyperband", "median"])
def test_one_worker_decides_on_ray_as_in_this_process(tmp_path, kind):
    """A worker on Ray gives the decisions, reasons and epochs of a study in this process."""
    here, ray = job(kind, name="here"), job(kind, name="ray")
    run(here.replaced({"resources.workers": 0}), storage=tmp_path)
    run(ray.replaced({"resources.workers": 1}), storage=tmp_path)
    first, second = load_results(tmp_path / "here"), load_results(tmp_path / "ray")
    columns = ["trial_id", "epoch", "kind", "rung", "cutoff", "reason"]
    pd.testing.assert_frame_equal(first.decisions[columns], second.decisions[columns])
    pd.testing.assert_frame_equal(
        first.epochs[["trial_id", "epoch", "score"]], second.epochs[["trial_id", "epoch", "score"]]
    )


def test_a_promoted_trial_continues_exactly(tmp_path):
    """Trials paused at rungs and promoted from checkpoints train to the same digits as uninterrupted ones."""
    model: dict[str, Any] = {
        "function": None,
        "model": build_model,
        "data": "digits",
        "space": {"lr": LogUniform(1e-3, 1), "batch_size": Choice([32, 64])},
        "objectives": [Objective("val_accuracy", "max")],
        "budget": Budget(trials=4, epochs=4),
        "resources": HERE,
    }
    run(job("fifo", name="straight", **model), storage=tmp_path)
    run(
        job("fifo", name="paused", **{**model, "scheduler": PromotingASHA(grace_period=1, reduction_factor=2)}),
        storage=tmp_path,
    )
    straight, paused = load_results(tmp_path / "straight"), load_results(tmp_path / "paused")
    same = ["trial_id", "epoch", "model_epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    promoted = paused.epochs.merge(straight.epochs[["trial_id", "epoch"]])[same].reset_index(drop=True)
    expected = straight.epochs.merge(paused.epochs[["trial_id", "epoch"]])[same].reset_index(drop=True)
    pd.testing.assert_frame_equal(promoted, expected, check_exact=True)
    assert sorted(paused.trials["epochs"]) == [1, 1, 2, 4]
    for trial_id, epochs in zip(paused.trials["trial_id"], paused.trials["epochs"], strict=True):
        assert (tmp_path / "paused" / layout.checkpoint(trial_id, epochs)).is_file()


def test_pb2_passes_weights_between_workers_of_ray(tmp_path):
    """On two workers, an exploiting trial continues from the donor's epoch with a config near the donor's."""
    population = job("pb2", budget=Budget(trials=4, epochs=6), resources=Resources(workers=2))
    run(population, storage=tmp_path)
    results = load_results(tmp_path / "cut")
    assert results.state == "finished"
    assert results.trials["state"].to_list() == ["completed"] * 4
    assert results.trials["epochs"].to_list() == [6] * 4
    exploits = results.decisions[results.decisions["kind"] == "exploit"]
    assert len(exploits)
    ages = results.epochs.set_index(["trial_id", "epoch"])["model_epoch"]
    for row in exploits.to_dict("records"):
        if row["epoch"] < 6:
            donor = ages[row["parent_trial"], row["parent_epoch"]]
            assert ages[row["trial_id"], row["epoch"] + 1] == donor + 1
    explored = results.decisions[results.decisions["kind"] == "explore"]
    assert explored["reason"].str.contains("lr").all()
