"""Pods that are created and do not start, Ray that requests none, and studies that meet their deadline."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import load_results
from tests.kubernetes.groups import changed
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.user import NAMESPACE, SLOW_STUDY, Following, objects, submit, tunepipe, until

pytestmark = pytest.mark.usefixtures("gone")

STUDY = ("beale", "--trials", "2", "--workers", "1")
COUNTED = str(Path(__file__).with_name("counted.py"))
HEAD = "/spec/rayClusterSpec/headGroupSpec/template"
WORKER = "/spec/rayClusterSpec/workerGroupSpecs/1/template"


def added(path: str, value: object) -> dict[str, Any]:
    """An operation of a JSON patch that adds a value."""
    return {"op": "add", "path": path, "value": value}


def mounted(template: str, source: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Operations of a JSON patch that give the Ray container of a pod a volume."""
    return (
        added(f"{template}/spec/volumes/-", {"name": "keys", **source}),
        # No node prepares a volume that no container mounts.
        added(f"{template}/spec/containers/0/volumeMounts/-", {"name": "keys", "mountPath": "/keys"}),
    )


def unstarted(where: Path, *changes: dict[str, Any]) -> str:
    """The output, in one line, of a submission that is given up because pods do not start; `status` says the same."""
    values = changed(where / "values", *changes)
    code, reported = submit(where, *STUDY, "--values", str(values), "--wait-pods", "5")
    assert code == 2, reported
    assert "Traceback" not in reported
    reported = " ".join(reported.split())
    assert "Pods of 'beale-1' could not start for 5 s" in reported
    reason = reported.rpartition("could not start for 5 s: ")[2].partition(" The RayJob waits")[0].rstrip(".")
    # A container that has just been started again runs for a moment.
    until("the reason in status", lambda: reason in " ".join(tunepipe("status", "--kubernetes").split()))
    return reason


@pytest.mark.parametrize(
    "volume",
    [{"secret": {"secretName": "absent"}}, {"configMap": {"name": "absent"}}],
    ids=["a Secret", "a ConfigMap"],
)
def test_a_volume_of_a_missing_object(tmp_path, volume):
    """A head whose volume is a missing Secret or ConfigMap is reported with the node's message."""
    reason = unstarted(tmp_path, *mounted(HEAD, volume))
    assert "FailedMount: MountVolume.SetUp failed for volume" in reason
    assert '"absent" not found' in reason


@pytest.mark.parametrize("made", [False, True], ids=["a missing one", "one of an unknown class"])
def test_a_claim_that_is_not_bound(tmp_path, made):
    """A head that waits for a volume claim is reported with the scheduler's message and that of the claim."""
    claim = tmp_path / "claim.yaml"
    request = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "no-class",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    metadata = {"name": "waiting", "namespace": NAMESPACE}
    claim.write_text(
        json.dumps({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": request})
    )
    if made:
        kubectl("apply", "-f", str(claim))
    try:
        reason = unstarted(tmp_path, *mounted(HEAD, {"persistentVolumeClaim": {"claimName": "waiting"}}))
    finally:
        kubectl("delete", "--ignore-not-found", "--wait=false", "-f", str(claim))
    assert ("no-class" if made else '"waiting" not found') in reason


def test_a_variable_of_a_missing_secret(tmp_path):
    """A head with a variable from a missing Secret is reported with the container and the Secret."""
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "key"}}}
    reason = unstarted(tmp_path, added(f"{HEAD}/spec/containers/0/env/-", variable))
    assert "the container ray-head of pod beale-1-" in reason
    assert '(CreateContainerConfigError): secret "absent" not found' in reason


@pytest.mark.parametrize(("kind", "template"), [("head", HEAD), ("worker", WORKER)], ids=["head", "worker"])
def test_a_container_that_ends_immediately(tmp_path, kind, template):
    """A head or a worker whose container ends at each start is reported by `submit` and `status` with its exit code."""
    values = changed(tmp_path / "values", added(f"{template}/spec/containers/0/args", ["exit 7"]))
    study = Following(tmp_path, COUNTED, "--gpus-per-trial", "1", "--workers", "1", "--values", str(values))
    reason = f"Deleted{kind.capitalize()}Pod: "
    study.until("the reason", lambda: reason in study.reported and "ExitCode:7" in study.reported)
    # Between two pods that end there is one that runs.
    until("the reason in status", lambda: reason in " ".join(tunepipe("status", "--kubernetes").split()))
    tunepipe("stop", "counted", "--kubernetes")
    assert study.ended() == 2, study.reported


def test_a_container_that_starts_again_in_its_pod(tmp_path):
    """In a cluster that does not autoscale, a container that ends repeatedly is reported with its pod."""
    no_autoscaler = {"op": "replace", "path": "/spec/rayClusterSpec/enableInTreeAutoscaling", "value": False}
    reason = unstarted(tmp_path, no_autoscaler, added(f"{HEAD}/spec/containers/0/args", ["exit 7"]))
    assert reason.startswith("the container ray-head of pod beale-1-")
    assert "does not start (CrashLoopBackOff): " in reason


def test_a_secret_that_is_made_later(tmp_path):
    """A study whose workers wait for a Secret says so, and runs once it is there."""
    values = changed(tmp_path / "values", *mounted(WORKER, {"secret": {"secretName": "made-later"}}))
    study = Following(tmp_path, COUNTED, "--gpus-per-trial", "1", "--workers", "1", "--values", str(values))
    study.until("the reason to wait", lambda: 'secret "made-later" not found' in study.reported)
    kubectl("create", "secret", "generic", "made-later", "-n", NAMESPACE)
    try:
        assert study.ended() == 0, study.reported
    finally:
        kubectl("delete", "secret", "made-later", "-n", NAMESPACE)
    assert len(load_results(tmp_path / "studies/counted").trials) == 4


def test_a_deadline(tmp_path):
    """A study that reaches its deadline ends with a message that says so, and nothing of it still runs."""
    deadline = {"op": "replace", "path": "/spec/activeDeadlineSeconds", "value": 60}
    values = changed(tmp_path / "values", deadline)
    code, reported = submit(tmp_path, *SLOW_STUDY, "--epochs", "2000", "--values", str(values))
    assert code == 2, reported
    assert "DeadlineExceeded" in reported
    assert "has passed the activeDeadlineSeconds" in " ".join(tunepipe("status", "--kubernetes").split())
    until("the end of the cluster", lambda: not objects("pods", "ray.io/is-ray-node=yes"))


def test_a_deadline_to_start(tmp_path):
    """A study whose head does not start by its start deadline is tried again, and then fails with that reason."""
    values = changed(
        tmp_path / "values",
        added("/spec/preRunningDeadlineSeconds", 15),
        {"op": "replace", "path": "/spec/backoffLimit", "value": 1},
        *mounted(HEAD, {"secret": {"secretName": "absent"}}),
    )
    code, reported = submit(tmp_path, *STUDY, "--values", str(values))
    assert code == 2, reported
    assert "has passed the preRunningDeadlineSeconds" in " ".join(reported.split())
    (job,) = objects("rayjobs")
    assert (job["status"]["reason"], job["status"]["failed"]) == ("PreRunningDeadlineExceeded", 2)
    until("the end of the cluster", lambda: not objects("pods", "ray.io/is-ray-node=yes"))
