"""Studies in Kubernetes: from no worker to the results on this machine, and through what dies on the way."""

import json
from pathlib import Path

import pytest

from pipeline import load_results, run
from pipeline.results import Results
from tests.faults.comparing import differences
from tests.faults.lasting import JOB
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.nodes import NODES, is_ready, start_kubelet
from tests.kubernetes.testbed.room import stop
from tests.kubernetes.user import (
    HEAD,
    NAMESPACE,
    OVERLAY,
    WORKERS,
    Following,
    forwarded,
    objects,
    running,
    submit,
    tunepipe,
    until,
)

pytestmark = pytest.mark.usefixtures("gone")

BY_HAND = str(Path(__file__).with_name("by_hand.py"))
LASTING = (
    str(Path(__file__).parents[1] / "faults/lasting.py"),
    "--epochs",
    "90",
    "--workers",
    "2",
    "--gpus-per-trial",
    "1",
)
"""A study of a minute and a half, if nothing happens to it."""


@pytest.mark.core
def test_a_study_from_zero_gpu_workers(tmp_path):
    """A study starts without a worker, gets one GPU for each trial, and its results are brought here by a pod."""
    assert objects("pods", WORKERS) == []
    code, told = submit(tmp_path, BY_HAND, "--gpus-per-trial", "1", "--workers", "2")
    assert code == 0, told
    results = load_results(tmp_path / "studies/by-hand")
    assert (len(results.trials), len(results.epochs)) == (4, 12)
    assert all("gpu-l4" in str(node) for node in results.epochs["node"])
    assert not (tmp_path / "studies/by-hand/checkpoints").exists()


@pytest.mark.core
def test_a_worker_and_the_head_are_lost(tmp_path):
    """A GPU worker's pod is deleted, then the head by force: the study ends with the tables of one in peace."""
    study = Following(tmp_path, *LASTING, "--name", "killed")
    study.until(lambda: "0001" in study.told and len(running(WORKERS)) == 2)
    kubectl("delete", "pod", "-n", NAMESPACE, running(WORKERS)[0])
    study.until(lambda: len(running(WORKERS)) == 2)
    kubectl("delete", "pod", "-n", NAMESPACE, "--force", "--grace-period=0", running(HEAD)[0])
    assert study.ended() == 0, study.told
    found = load_results(tmp_path / "studies/killed")
    assert len(found.sessions) == 2
    assert any(found.decisions["kind"] == "retry")
    assert differences(in_peace(tmp_path, "killed"), found) == []


def test_a_study_submitted_twice(tmp_path):
    """The second one attaches to the first, and both end alike."""
    words = (*LASTING, "--name", "twice")
    first = Following(tmp_path, *words)
    first.until(lambda: bool(objects("rayjobs")))
    (tmp_path / "other").mkdir()
    code, told = submit(tmp_path / "other", *words)
    assert (code, first.ended()) == (0, 0), told
    assert "is at work already as RayJob twice-1" in told


def test_a_study_is_suspended_and_resumed(tmp_path):
    """As Kueue does: its pods go, and it goes on later with all that was recorded."""
    study = Following(tmp_path, *LASTING, "--name", "suspended")
    study.until(lambda: "0001" in study.told)
    suspend("suspended-1", True)
    study.until(lambda: not objects("pods"))
    suspend("suspended-1", False)
    assert study.ended() == 0, study.told
    found = load_results(tmp_path / "studies/suspended")
    assert len(found.sessions) == 2
    assert differences(in_peace(tmp_path, "suspended"), found) == []


def test_a_node_is_out_of_sight_for_a_while(tmp_path):
    """The GPU node's kubelet stops until the node is given up, and comes back: the study ends with all its rows."""
    study = Following(tmp_path, *LASTING, "--name", "unseen")
    study.until(lambda: "0001" in study.told)
    node = next(each for each in NODES if each.gpus)
    stop(f"kubelet-{node.name}")
    study.until(lambda: not is_ready(node))
    start_kubelet(node)
    assert study.ended() == 0, study.told
    assert differences(in_peace(tmp_path, "unseen"), load_results(tmp_path / "studies/unseen")) == []


def test_a_study_is_stopped_and_goes_on(tmp_path):
    """Its driver has the time to end, and its pods go; submitted again, it ends with the tables of one in peace."""
    study = Following(tmp_path, *LASTING, "--name", "halted")
    study.until(lambda: "0001" in study.told)
    assert "RayJob halted-1 is stopped" in tunepipe("stop", "halted", "--kubernetes")
    until(lambda: not objects("pods"))
    assert study.ended() == 2, study.told
    code, told = submit(tmp_path, *LASTING, "--name", "halted")
    assert code == 0, told
    found = load_results(tmp_path / "studies/halted")
    assert [each["state"] for each in found.sessions] == ["interrupted", "finished"]
    assert differences(in_peace(tmp_path, "halted"), found) == []


def test_a_cluster_for_interactive_use(foundation, tmp_path):
    """Up by kubectl, used through a forwarded port, its workers gone after the idle timeout, and down."""
    kubectl("apply", "--server-side", "-k", str(OVERLAY / "cluster"))
    try:
        until(lambda: bool(running(HEAD)))
        kubectl("wait", "--for=condition=Ready", "pod", "-n", NAMESPACE, "-l", HEAD, "--timeout=120s")
        with forwarded("tunepipe-head-svc", 8265) as address:
            code, told = submit(
                tmp_path, BY_HAND, "--address", address, "--name", "interactive", "--workers", "1",
                "--set", "resources.gpus=1", "--trials", "2",
            )  # fmt: skip
        assert code == 0, told
        until(lambda: not objects("pods", WORKERS))
        asked = ("tunepipe", "results", "interactive", "--storage", "/studies", "--json")
        told = kubectl("exec", "-n", NAMESPACE, running(HEAD)[0], "-c", "ray-head", "--", *asked)
        assert len(json.loads(told)["trials"]) == 2
    finally:
        kubectl("delete", "raycluster", "tunepipe", "-n", NAMESPACE)


def in_peace(where: Path, name: str) -> Results:
    """What LASTING comes to here, where nothing happens to it."""
    changes = {"name": name, "budget.epochs": 90, "resources.gpus": 0, "resources.cpus": 0.25}
    run(JOB.replaced(changes), storage=str(where / "peace"))
    return load_results(where / "peace" / name)


def suspend(name: str, whether: bool) -> None:
    """Set a RayJob's suspend."""
    kubectl("patch", "rayjob", name, "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": {"suspend": whether}}))
