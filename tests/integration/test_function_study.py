"""A study of a plain function on real Ray workers, from drawing to tables."""

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Choice, Objective, TuneJob, Uniform, load_results, run
from pipeline.results import Results
from tests.integration.one_time_events import first


def slope(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A score that grows; prints and writes, and fails or kills its own process if the config says so."""
    print(f"slope {config['x']:.3f}")
    for step in range(1, 9):
        if config["trouble"] == "raise" and step == 2:
            raise ValueError(f"no step {step} for {config['x']:.3f}")
        if config["trouble"] == "die" and step == 3 and first(config["marker"]):
            os.kill(os.getpid(), signal.SIGKILL)
        with Path("steps.txt").open("a") as file:
            file.write(f"{step}\n")
        yield {"score": float("nan") if config["trouble"] == "nan" and step == 3 else config["x"] * step}


@pytest.fixture(scope="module")
def on_ray(ray_cluster: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results, Results]:
    """A study on two workers with its results, and those of the same study in this process, where none dies."""
    folder = tmp_path_factory.mktemp("slopes")
    job = TuneJob(
        name="slopes", function=slope, objectives=[Objective("score", "max")], scheduler="fifo",
        space={"trouble": Choice(["none", "raise", "nan", "die"]), "x": Uniform(0, 1), "marker": str(folder / "died")},
        budget=Budget(trials=12, epochs=8), resources={"workers": 2},
    )  # fmt: skip
    run(job, storage=folder / "ray")
    assert (folder / "died").exists()
    run(job.replaced({"resources.workers": 0}), storage=folder / "here")
    return folder / "ray/slopes", load_results(folder / "ray/slopes"), load_results(folder / "here/slopes")


def test_workers_train_what_the_own_process_trains(on_ray):
    _, ray, here = on_ray
    columns = ["trial_id", "epoch", "model_epoch", "segment", "score", "config_x"]
    assert ray.epochs[columns].equals(here.epochs[columns])
    assert len(ray.epochs) > 40
    assert ray.trials["state"].equals(here.trials["state"])
    assert ray.state == "ended"


def test_a_killed_worker_is_replaced_and_nothing_is_recorded_twice(on_ray):
    _, results, _ = on_ray
    (retry,) = results.decisions[results.decisions["kind"] == "retry"].to_dict("records")
    assert "The actor died unexpectedly" in retry["reason"]
    trials = results.trials.set_index("trial_id")
    assert trials.loc[retry["trial_id"], ["config_trouble", "state", "attempts"]].tolist() == ["die", "completed", 2]
    assert sorted(trials["attempts"]) == [1] * 11 + [2]
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()


def test_a_failing_config_leaves_the_rest_unharmed(on_ray):
    _, results, _ = on_ray
    states = results.trials.groupby("config_trouble")["state"].apply(set).to_dict()
    assert states == {"none": {"completed"}, "die": {"completed"}, "raise": {"failed"}, "nan": {"failed"}}
    raised = results.trials[results.trials["config_trouble"] == "raise"].iloc[0]
    assert raised["error"].startswith("ValueError: no step 2 for")
    assert "in slope" in raised["error"]
    assert results.best.config["trouble"] in ("none", "die")


def test_what_a_trial_prints_and_writes_is_kept_apart(on_ray):
    study, results, _ = on_ray
    for trial in results.trials.to_dict("records"):
        log = (study / f"logs/{trial['trial_id']}.log").read_text()
        assert log.startswith(f"slope {trial['config_x']:.3f}\n")
        if trial["state"] == "completed":
            # A function without a state is replayed in an empty folder.
            steps = (study / f"files/{trial['trial_id']}/steps.txt").read_text().split()
            assert steps == [str(step) for step in range(1, 9)]
