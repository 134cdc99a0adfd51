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
    assert ("promote" in kinds) == (kind in ("promoting-asha", "promoting-moasha", "hyperband"))
    assert ("explore" in kinds) == SCHEDULERS[kind].exploits


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
