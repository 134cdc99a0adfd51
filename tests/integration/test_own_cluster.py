"""The Ray cluster that a study starts on its machine."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

_STARTED = """
import contextlib
import json
import os
from pathlib import Path

import psutil

from pipeline.execution.ray.cluster import ENVIRONMENT

os.environ.update(ENVIRONMENT)
import ray
from pipeline.execution.ray import cluster
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from tests.processes import wait_for
from tune_jobs.beale import JOB


@ray.remote(num_cpus=1)
class Actor:
    def process(self):
        import os

        return os.getpid()


cluster.start(JOB, 2)
me = psutil.Process()


def idle_processes():
    with contextlib.suppress(psutil.NoSuchProcess):
        idle = [each for each in me.children(recursive=True) if each.name().startswith("ray::IDLE")]
        return idle if len(idle) >= 2 else None


idle = wait_for(idle_processes, seconds=60)
reserved = placement_group([{"CPU": 1}] * 2)
ray.get(reserved.ready())
# Ray's own patience is a second.
psutil.wait_procs(idle, timeout=3)
actors = [
    Actor.options(scheduling_strategy=PlacementGroupSchedulingStrategy(reserved, index)).remote() for index in range(2)
]
used = ray.get([actor.process.remote() for actor in actors])
running = []
for each in me.children(recursive=True):
    with contextlib.suppress(psutil.NoSuchProcess):
        running.append(" ".join(each.cmdline()))
print(json.dumps({"idle": sorted(each.pid for each in idle), "used": sorted(used), "running": running}))
ray.shutdown()
"""


@pytest.fixture(scope="module")
def reported():
    """The cluster of two workers as a process that has started it reports it."""
    done = subprocess.run([sys.executable, "-c", _STARTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_workers_that_are_ready_wait_for_their_trials(reported):
    assert reported["used"] == reported["idle"]


def test_nothing_runs_without_a_use_for_a_study(reported):
    """A study starts no dashboard, autoscaler monitor or log reader of Ray."""
    running = "\n".join(reported["running"])
    assert "raylet" in running
    for name in ("dashboard/dashboard.py", "monitor.py", "log_monitor.py"):
        assert name not in running
