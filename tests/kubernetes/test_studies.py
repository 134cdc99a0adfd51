"""Studies in Kubernetes: from no worker to the results on this machine, and through what dies on the way."""

import json
from pathlib import Path

import pytest

from pipeline import load_results, run
from tests.faults.comparing import differences
from tests.faults.lasting import JOB
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.user import NAMESPACE, Following, objects, submit, until

LASTING = str(Path(__file__).parents[1] / "faults/lasting.py")
WORKERS = "ray.io/group=gpu-l4"
HEAD = "ray.io/node-type=head"


@pytest.fixture(autouse=True)
def gone(foundation):
    """What a study has left is deleted after the test."""
    yield
    kubectl("delete", "rayjob", "--all", "-n", NAMESPACE)
    until(lambda: not objects("pods"))


def running(labels: str) -> list[str]:
    """Names of pods that run."""
    return [each["metadata"]["name"] for each in objects("pods", labels) if each["status"]["phase"] == "Running"]


def test_a_study_from_zero_gpu_workers(tmp_path):
    """A study starts without a worker, gets one GPU for each trial, and its results are brought here by a pod."""
    assert objects("pods", WORKERS) == []
    code, told = submit(
        tmp_path, "mnist-asha", "--gpus-per-trial", "1", "--workers", "2", "--trials", "4", "--epochs", "2"
    )
    assert code == 0, told
    results = load_results(tmp_path / "studies/mnist-asha")
    assert len(results.trials) == 4
    assert all("gpu-l4" in str(node) for node in results.epochs["node"])
    assert not (tmp_path / "studies/mnist-asha/checkpoints").exists()


def test_a_worker_and_the_head_are_lost(tmp_path):
    """A GPU worker's pod is deleted, then the head by force: the study ends with the tables of one in peace."""
    study = Following(tmp_path, LASTING, "--gpus-per-trial", "1", "--workers", "2")
    study.until(lambda: "0001" in study.told and len(running(WORKERS)) == 2)
    kubectl("delete", "pod", "-n", NAMESPACE, running(WORKERS)[0])
    study.until(lambda: len(running(WORKERS)) == 2)
    kubectl("delete", "pod", "-n", NAMESPACE, "--force", "--grace-period=0", running(HEAD)[0])
    assert study.ended() == 0, study.told
    found = load_results(tmp_path / "studies/lasting")
    assert len(found.sessions) == 2
    wanted = run(JOB.replaced({"resources.gpus": 0}), storage=str(tmp_path / "peace"))
    assert differences(wanted, found) == []


def test_a_study_submitted_twice(tmp_path):
    """The second one attaches to the first, and both end alike."""
    words = (LASTING, "--gpus-per-trial", "1", "--workers", "2", "--trials", "2", "--name", "twice")
    first = Following(tmp_path, *words)
    first.until(lambda: bool(objects("rayjobs")))
    (tmp_path / "other").mkdir()
    code, told = submit(tmp_path / "other", *words)
    assert (code, first.ended()) == (0, 0), told
    assert "is at work already as RayJob twice-1" in told


def test_a_study_is_suspended_and_resumed(tmp_path):
    """As Kueue does: its pods go, and it goes on later with all that was recorded."""
    words = (LASTING, "--gpus-per-trial", "1", "--workers", "2", "--name", "suspended")
    study = Following(tmp_path, *words)
    study.until(lambda: len(running(WORKERS)) == 2)
    suspend("suspended-1", True)
    study.until(lambda: not objects("pods"))
    suspend("suspended-1", False)
    assert study.ended() == 0, study.told
    assert len(load_results(tmp_path / "studies/suspended").trials) == 8


def suspend(name: str, whether: bool) -> None:
    """Set a RayJob's suspend."""
    kubectl("patch", "rayjob", name, "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": {"suspend": whether}}))
