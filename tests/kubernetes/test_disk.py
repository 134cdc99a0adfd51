"""Disk of nodes: requests that no node has room for, and pods that fill more than their limit."""

from pathlib import Path

import pytest

from tests.kubernetes.groups import changed
from tests.kubernetes.user import Following, submit, tunepipe

pytestmark = pytest.mark.usefixtures("gone")

COUNTED = str(Path(__file__).with_name("counted.py"))
RESOURCES = "/spec/rayClusterSpec/workerGroupSpecs/1/template/spec/containers/0/resources"
FILLING = """
import time
from pathlib import Path

from pipeline import Budget, Objective, TuneJob, Uniform


def filling(config):
    with Path("/tmp/filling").open("wb") as file:
        for _ in range(512):
            file.write(bytes(2**20))
    while True:
        time.sleep(1)
        yield {"score": config["x"]}


JOB = TuneJob(name="filling", function=filling, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
              budget=Budget(trials=1, epochs=600))
"""


def with_disk(folder: Path, amount: str) -> Path:
    """Write manifests whose GPU workers request, and may fill, an amount of disk."""
    kinds = ("requests", "limits")
    path = f"{RESOURCES}/{{}}/ephemeral-storage"
    return changed(folder, *({"op": "replace", "path": path.format(kind), "value": amount} for kind in kinds))


def test_more_disk_than_any_node_has(tmp_path):
    """A study whose workers request more disk than any node has is reported, and abandoned after --wait-pods."""
    values = with_disk(tmp_path / "values", "100Ti")
    options = ("--gpus-per-trial", "1", "--workers", "1", "--wait-pods", "15", "--values", str(values))
    code, reported = submit(tmp_path, COUNTED, *options)
    assert code == 2, reported
    reported = " ".join(reported.split())
    assert "waits for a node: 0/2 nodes are available: " in reported
    assert "Insufficient ephemeral-storage" in reported
    assert "`tunepipe stop counted-1 --kubernetes --namespace tunepipe` deletes it" in reported


def test_a_worker_that_fills_its_disk(tmp_path):
    """A worker that fills more disk than its limit is evicted, which `submit` and `status` report."""
    (tmp_path / "filling.py").write_text(FILLING)
    values = with_disk(tmp_path / "values", "256Mi")
    study = Following(tmp_path, "filling.py", "--gpus-per-trial", "1", "--workers", "1", "--values", str(values))
    study.until("an eviction", lambda: "Evicted: " in study.reported)
    for reported in (study.reported, tunepipe("status", "--kubernetes")):
        reported = " ".join(reported.split())
        assert "256Mi" in reported.partition("Evicted: ")[2]
    tunepipe("stop", "filling", "--kubernetes")
    assert study.ended() == 2, study.reported
