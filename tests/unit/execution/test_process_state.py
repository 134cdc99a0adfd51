"""Calls from Python leave their process as it was."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Objective, Resources, TuneJob, Uniform, run

PROGRAM = Path(__file__).with_name("process_state.py")


def printed(where: str, storage: Path) -> dict[str, Any]:
    """What the program prints: call → what it has changed."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), where, str(storage)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.long
def test_a_study_in_this_process_leaves_nothing_behind(tmp_path: Path) -> None:
    assert printed("here", tmp_path) == {call: [] for call in ("run", "export", "rerun", "load_model")}


@pytest.mark.long
def test_a_study_on_ray_leaves_nothing_behind(tmp_path: Path) -> None:
    assert printed("ray", tmp_path) == {"run": [], "running": False}


def objective(config: dict[str, Any]) -> Iterator[dict[str, float]]:
    yield {"loss": config["x"]}


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_that_runs_already_stays(tmp_path: Path) -> None:
    import ray
    from ray.tune.registry import TRAINABLE_CLASS, _global_registry

    job = TuneJob(
        name="s",
        function=objective,
        objectives=[Objective("loss", "min")],
        space={"x": Uniform(0.0, 1.0)},
        budget=Budget(trials=1, epochs=1),
        resources=Resources(workers=1),
    )
    run(job, storage=tmp_path, note=lambda _: None)
    assert ray.is_initialized()
    assert not _global_registry.contains(TRAINABLE_CLASS, "TrialTrainable")
