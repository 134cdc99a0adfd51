"""Studies in Kubernetes: from no worker to the results on this machine, and through what dies on the way."""

import json
from pathlib import Path

import pytest

from pipeline import load_results, run
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
    until,
)

pytestmark = pytest.mark.usefixtures("gone")

BY_HAND = str(Path(__file__).with_name("by_hand.py"))
LASTING = str(Path(__file__).parents[1] / "faults/lasting.py")


def test_a_study_from_zero_gpu_workers(tmp_path):
    """A study starts without a worker, gets one GPU for each trial, and its results are brought here by a pod."""
    assert objects("pods", WORKERS) == []
    code, told = submit(tmp_path, BY_HAND, "--gpus-per-trial", "1", "--workers", "2")
    assert code == 0, told
    results = load_results(tmp_path / "studies/by-hand")
    assert (len(results.trials), len(results.epochs)) == (4, 12)
    assert all("gpu-l4" in str(node) for node in results.epochs["node"])
    assert not (tmp_path / "studies/by-hand/checkpoints").exists()


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


def test_a_node_is_out_of_sight_for_a_while(tmp_path):
    """The GPU node's kubelet stops until the node is given up, and comes back: the study ends with all its rows."""
    study = Following(tmp_path, LASTING, "--gpus-per-trial", "1", "--workers", "2", "--name", "unseen")
    study.until(lambda: len(running(WORKERS)) == 2)
    node = next(each for each in NODES if each.gpus)
    stop(f"kubelet-{node.name}")
    study.until(lambda: not is_ready(node))
    start_kubelet(node)
    assert study.ended() == 0, study.told
    found = load_results(tmp_path / "studies/unseen")
    wanted = run(JOB.replaced({"resources.gpus": 0, "name": "unseen"}), storage=str(tmp_path / "peace"))
    assert differences(wanted, found) == []


def test_a_cluster_for_interactive_use(foundation, tmp_path):
    """Up by kubectl, used through a forwarded port, its workers gone after the idle timeout, and down."""
    kubectl("apply", "--server-side", "-k", str(OVERLAY / "cluster"))
    try:
        until(lambda: bool(running(HEAD)))
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


def suspend(name: str, whether: bool) -> None:
    """Set a RayJob's suspend."""
    kubectl("patch", "rayjob", name, "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": {"suspend": whether}}))
