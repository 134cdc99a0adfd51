"""GPUs that a Ray cluster counts: test machines have none, so Ray is started with two."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

JOB = """
import os

import ray

from pipeline import Budget, Objective, TuneJob, load_results, run
from pipeline.execution.ray.cluster import ENVIRONMENT


def visible(config):
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    yield {"score": 1.0, "gpus": float(len(given.split(",")) if given else 0)}


JOB = TuneJob(
    name="without",
    function=visible,
    space={"x": 1.0},
    objectives=[Objective("score", "max")],
    budget=Budget(trials=1, epochs=1),
)

if __name__ == "__main__":
    os.environ.update(ENVIRONMENT)
    ray.init("local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    for name, gpus in (("without", 0), ("with", 0.5)):
        run(JOB.replaced({"resources.gpus": gpus}), name=name)
        print(name, load_results(f"studies/{name}").epochs["gpus"].tolist())
    ray.shutdown()
"""


def test_trials_use_gpus_if_requested_and_otherwise_a_note_is_printed(tmp_path):
    (tmp_path / "seeing.py").write_text(JOB)
    done = subprocess.run(
        [sys.executable, "seeing.py"], cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("Found", "with"))]
    assert lines == [
        "Found 2 GPUs, but trials of 'without' request none and train on CPUs. --gpus-per-trial 1 gives each trial "
        "a GPU, 0.5 half the memory of one.",
        "without [0.0]",
        "with [1.0]",
    ]
