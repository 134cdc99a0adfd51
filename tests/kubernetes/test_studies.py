"""Studies in Kubernetes: from no worker to the results on this machine, and through what dies on the way."""

import json
from itertools import groupby
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

COUNTED = str(Path(__file__).with_name("counted.py"))
EPOCHS = 50
LASTING = (
    str(Path(__file__).parents[1] / "faults/lasting.py"),
    "--epochs",
    str(EPOCHS),
    "--workers",
    "2",
    "--gpus-per-trial",
    "1",
)
"""A study of a minute, if nothing happens to it."""


@pytest.fixture(scope="module")
def in_peace(tmp_path_factory) -> Results:
    """What LASTING comes to here, where nothing happens to it."""
    place = tmp_path_factory.mktemp("peace")
    run(JOB.replaced({"budget.epochs": EPOCHS, "resources.gpus": 0, "resources.cpus": 0.25}), storage=str(place))
    return load_results(place / JOB.name)


@pytest.mark.core
def test_a_study_from_zero_gpu_workers(tmp_path):
    """A study starts without a worker, gets one GPU for each trial, and its results are brought here by a pod."""
    assert objects("pods", WORKERS) == []
    code, told = submit(tmp_path, COUNTED, "--gpus-per-trial", "1", "--workers", "2")
    assert code == 0, told
    results = load_results(tmp_path / "studies/counted")
    assert (len(results.trials), len(results.epochs)) == (4, 12)
    assert all("gpu-l4" in str(node) for node in results.epochs["node"])
    assert not (tmp_path / "studies/counted/checkpoints").exists()


@pytest.mark.core
def test_a_worker_and_the_head_are_lost(tmp_path, in_peace):
    """A GPU worker's pod is deleted, then the head by force: the study ends with the tables of one in peace."""
    study = Following(tmp_path, *LASTING)
    study.until("two workers to train", lambda: "0001" in study.told and len(running(WORKERS)) == 2)
    kubectl("delete", "pod", "-n", NAMESPACE, running(WORKERS)[0])
    study.until("two workers again", lambda: len(running(WORKERS)) == 2)
    kubectl("delete", "pod", "-n", NAMESPACE, "--force", "--grace-period=0", running(HEAD)[0])
    assert study.ended() == 0, study.told
    found = load_results(tmp_path / "studies/lasting")
    assert len(found.sessions) == 2
    assert any(found.decisions["kind"] == "retry")
    assert differences(in_peace, found) == []


def test_a_study_submitted_twice(tmp_path, in_peace):
    """The second one attaches to the first, and both bring the same; each worker had a GPU, and one trial at a time."""
    first = Following(tmp_path, *LASTING)
    first.until("a RayJob", lambda: bool(objects("rayjobs")))
    (tmp_path / "other").mkdir()
    code, told = submit(tmp_path / "other", *LASTING)
    assert (code, first.ended()) == (0, 0), told
    assert "is at work already as RayJob lasting-1" in told
    assert len(objects("rayjobs")) == 1
    for where in (tmp_path, tmp_path / "other"):
        found = load_results(where / "studies/lasting")
        assert differences(in_peace, found) == []
    on_each = [list(rows.sort_values("time")["trial_id"]) for _, rows in found.epochs.groupby("node")]
    assert len(on_each) == 2
    assert all(len(list(groupby(trials))) == len(set(trials)) for trials in on_each)


def test_a_study_is_suspended_and_resumed(tmp_path, in_peace):
    """As Kueue does: its pods go, and it goes on later with all that was recorded."""
    study = Following(tmp_path, *LASTING)
    study.until("a trial to train", lambda: "0001" in study.told)
    suspend("lasting-1", True)
    study.until("the end of all pods", lambda: not objects("pods"))
    suspend("lasting-1", False)
    assert study.ended() == 0, study.told
    found = load_results(tmp_path / "studies/lasting")
    assert len(found.sessions) == 2
    assert differences(in_peace, found) == []


def test_a_node_is_out_of_sight_for_a_while(tmp_path, in_peace):
    """The GPU node's kubelet stops until the node is taken for away, and starts: the study ends with all its rows."""
    study = Following(tmp_path, *LASTING)
    study.until("a trial to train", lambda: "0001" in study.told)
    node = next(each for each in NODES if each.gpus)
    stop(f"kubelet-{node.name}")
    try:
        study.until("the node to be missed", lambda: not is_ready(node))
    finally:
        start_kubelet(node)
    assert study.ended() == 0, study.told
    assert differences(in_peace, load_results(tmp_path / "studies/lasting")) == []


def test_a_study_is_stopped_and_goes_on(tmp_path, in_peace):
    """Its driver has the time to end, and its pods go; submitted again, it ends with the tables of one in peace."""
    study = Following(tmp_path, *LASTING)
    study.until("a trial to train", lambda: "0001" in study.told)
    assert "RayJob lasting-1 is stopped" in tunepipe("stop", "lasting", "--kubernetes")
    until("the end of all pods", lambda: not objects("pods"))
    assert study.ended() == 2, study.told
    code, told = submit(tmp_path, *LASTING)
    assert code == 0, told
    found = load_results(tmp_path / "studies/lasting")
    assert [each["state"] for each in found.sessions] == ["interrupted", "finished"]
    assert differences(in_peace, found) == []


def test_a_cluster_for_interactive_use(foundation, tmp_path):
    """Up by kubectl, used through a forwarded port, its workers gone after the idle timeout, and down."""
    kubectl("apply", "--server-side", "-k", str(OVERLAY / "cluster"))
    try:
        until("the head", lambda: bool(running(HEAD)))
        kubectl("wait", "--for=condition=Ready", "pod", "-n", NAMESPACE, "-l", HEAD, "--timeout=120s")
        with forwarded("tunepipe-head-svc", 8265) as address:
            code, told = submit(
                tmp_path, COUNTED, "--address", address, "--name", "interactive", "--workers", "1",
                "--set", "resources.gpus=1", "--trials", "2",
            )  # fmt: skip
        assert code == 0, told
        until("the end of idle workers", lambda: not objects("pods", WORKERS))
        asked = ("tunepipe", "results", "interactive", "--storage", "/studies", "--json")
        told = kubectl("exec", "-n", NAMESPACE, running(HEAD)[0], "-c", "ray-head", "--", *asked)
        assert len(json.loads(told)["trials"]) == 2
    finally:
        Following.end_all()
        kubectl("delete", "raycluster", "tunepipe", "-n", NAMESPACE)
    until("the end of all pods", lambda: not objects("pods"))


def suspend(name: str, whether: bool) -> None:
    """Set a RayJob's suspend."""
    kubectl("patch", "rayjob", name, "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": {"suspend": whether}}))
