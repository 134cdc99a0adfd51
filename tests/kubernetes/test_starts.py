"""Pods that are created and do not start, Ray that requests none, and studies that meet their deadline."""

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


def test_a_secret_that_is_made_later(tmp_path):
    """A study whose workers wait for a Secret says so, as `status` does, and runs once it is there."""
    values = changed(tmp_path / "values", *mounted(WORKER, {"secret": {"secretName": "made-later"}}))
    study = Following(tmp_path, COUNTED, "--gpus-per-trial", "1", "--workers", "1", "--values", str(values))
    reason = "FailedMount: MountVolume.SetUp failed for volume"
    study.until("the reason to wait", lambda: reason in study.reported and '"made-later" not found' in study.reported)
    until("the reason in status", lambda: reason in " ".join(tunepipe("status", "--kubernetes").split()))
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
    assert "PreRunningDeadlineExceeded" in " ".join(reported.split())
    (job,) = objects("rayjobs")
    assert (job["status"]["reason"], job["status"]["failed"]) == ("PreRunningDeadlineExceeded", 2)
    until("the end of the cluster", lambda: not objects("pods", "ray.io/is-ray-node=yes"))
