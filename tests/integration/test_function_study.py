"""A study of a plain function on real Ray workers, from drawing to tables."""

import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Choice, Objective, TuneJob, Uniform, load_results, run
from pipeline.errors import NoTrialSucceeded
from tests.integration.one_time_events import first

pytestmark = pytest.mark.usefixtures("ray_cluster")

ONE = {"workers": 1}
"""A worker is a process that starts for seconds: two only where they matter."""


def slope(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A score that grows with each step; prints, fails or kills its own process if the config says so."""
    print(f"slope {config['x']:.3f}")
    for step in range(1, 100):
        if config["trouble"] == "raise" and step == 2:
            raise ValueError(f"no step {step} for {config['x']:.3f}")
        if config["trouble"] == "nan" and step == 3:
            yield {"score": float("nan")}
        if config["trouble"] == "die" and step == 3 and first(config["marker"]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"score": config["x"] * step}


def job(**fields: Any) -> TuneJob:
    """Six trials of eight steps."""
    defaults: dict[str, Any] = {
        "name": "slopes",
        "function": slope,
        "space": {"x": Uniform(0, 1), "trouble": "none"},
        "objectives": [Objective("score", "max")],
        "scheduler": "fifo",
        "budget": Budget(trials=6, epochs=8),
    }
    return TuneJob(**{**defaults, **fields})


def test_workers_train_what_the_own_process_trains(tmp_path):
    """A study on Ray and one without it have the same trials, epochs, configs and values, to the last digit."""
    run(job(), storage=tmp_path / "ray")
    run(job().replaced({"resources.workers": 0}), storage=tmp_path / "here")
    ray, here = load_results(tmp_path / "ray/slopes"), load_results(tmp_path / "here/slopes")
    columns = ["trial_id", "epoch", "model_epoch", "segment", "score", "config_x"]
    assert ray.epochs[columns].equals(here.epochs[columns])
    assert len(ray.epochs) == 48
    assert set(ray.trials["state"]) == {"completed"}
    assert ray.state == "finished"


def test_a_killed_worker_is_replaced_and_nothing_is_recorded_twice(tmp_path):
    """After SIGKILL at step 3 a second attempt finishes the trial, and each epoch is recorded once."""
    fatal = job(space={"x": Uniform(0, 1), "trouble": "die", "marker": str(tmp_path / "died")}, resources=ONE)
    run(fatal, storage=tmp_path)
    results = load_results(tmp_path / "slopes")
    assert set(results.trials["state"]) == {"completed"}
    assert sorted(results.trials["attempts"]) == [1, 1, 1, 1, 1, 2]
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()
    assert (results.epochs.groupby("trial_id")["epoch"].apply(list).map(lambda e: e == list(range(1, 9)))).all()
    retry = results.decisions[results.decisions["kind"] == "retry"].iloc[0]
    assert "The actor died unexpectedly" in retry["reason"]


def test_a_failing_config_leaves_the_rest_unharmed(tmp_path):
    """A trial that raises or has only NaN has failed, the first with its traceback, and neither is the best."""
    mixed = job(
        space={"trouble": Choice(["none", "raise", "nan"]), "x": Uniform(0, 1)},
        budget=Budget(trials=9, epochs=4),
        resources=ONE,
    )
    run(mixed, storage=tmp_path)
    trials = load_results(tmp_path / "slopes").trials.set_index("trial_id")
    by_trouble = trials.groupby("config_trouble")["state"].apply(set).to_dict()
    assert by_trouble == {"none": {"completed"}, "raise": {"failed"}, "nan": {"failed"}}
    raised = trials[trials["config_trouble"] == "raise"].iloc[0]
    assert raised["error"].startswith("ValueError: no step 2 for")
    assert "in slope" in raised["error"]
    assert load_results(tmp_path / "slopes").best.config["trouble"] == "none"
    for trial_id, x in trials["config_x"].items():
        assert (tmp_path / f"slopes/logs/{trial_id}.log").read_text().startswith(f"slope {x:.3f}\n")


def test_a_study_without_a_value_reports_the_error(tmp_path):
    """After three trials that fail with the same error, the study ends with a message that contains the error."""
    with pytest.raises(NoTrialSucceeded, match=r"ended without a value.*ValueError: no step 2"):
        run(job(space={"x": 0.5, "trouble": "raise"}, resources=ONE), storage=tmp_path)
    results = load_results(tmp_path / "slopes")
    assert results.state == "failed"
    assert len(results.trials) <= 4
