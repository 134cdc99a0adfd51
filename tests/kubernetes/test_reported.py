"""Why a study waits, cannot start, or was ended at its deadline: what `submit` and `status` report."""

from pathlib import Path

import pytest

from pipeline import load_results
from tests.kubernetes.groups import changed
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.user import NAMESPACE, SLOW_STUDY, WORKERS, Following, objects, running, submit, tunepipe, until

pytestmark = pytest.mark.usefixtures("gone")

STUDY = ("beale", "--gpus-per-trial", "1", "--trials", "2", "--workers", "1")
COUNTED = str(Path(__file__).with_name("counted.py"))
HEAD = "/spec/rayClusterSpec/headGroupSpec/template/spec"
WORKER = "/spec/rayClusterSpec/workerGroupSpecs/1/template/spec"


def test_a_missing_image_is_reported(tmp_path):
    """An image that no node can pull is reported with its name, and the RayJob is deleted."""
    study = Following(tmp_path, *STUDY, "--image", "nowhere.invalid/x:1")
    # A reason that is not recognised lets it wait for two weeks.
    assert study.ended(seconds=300) == 2, study.reported
    reported = " ".join(study.reported.split())
    assert "the image nowhere.invalid/x:1 of pod" in reported
    assert "The RayJob beale-1 was deleted." in reported
    assert objects("rayjobs") == []


@pytest.mark.parametrize("amount", ["requests.nvidia.com/gpu=2", "pods=4"], ids=["of a worker", "of a head"])
def test_a_quota_that_another_study_uses_up(tmp_path, amount):
    """A study waits while another one uses up the quota, says so, as `status` does, and runs once there is room."""
    kubectl("create", "quota", "shared", "-n", NAMESPACE, f"--hard={amount}")
    (tmp_path / "second").mkdir()
    try:
        first = Following(tmp_path, *SLOW_STUDY, "--epochs", "2000")
        first.until("two workers", lambda: len(running(WORKERS)) == 2)
        second = Following(tmp_path / "second", *STUDY)
        reason = "exceeded quota: shared"
        second.until("the reason", lambda: reason in " ".join(second.reported.split()))
        assert reason in " ".join(tunepipe("status", "--kubernetes").split())
        tunepipe("stop", "slow-study", "--kubernetes")
        assert second.ended() == 0, second.reported
    finally:
        kubectl("delete", "quota", "shared", "-n", NAMESPACE)


def test_a_study_that_waits_for_a_secret_says_so_and_runs_once_it_is_there(tmp_path):
    added = {
        f"{WORKER}/volumes/-": {"name": "keys", "secret": {"secretName": "made-later"}},
        # No node prepares a volume that no container mounts.
        f"{WORKER}/containers/0/volumeMounts/-": {"name": "keys", "mountPath": "/keys"},
    }
    patch = [{"op": "add", "path": path, "value": value} for path, value in added.items()]
    values = changed(tmp_path / "values", *patch)
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


@pytest.mark.parametrize("autoscales", [True, False], ids=["in pods that are replaced", "in its pod"])
def test_a_container_that_ends_at_each_start_is_reported_with_its_exit_code(tmp_path, autoscales):
    head = {"op": "add", "path": f"{HEAD}/containers/0/args", "value": ["exit 7"]}
    autoscaling = {"op": "replace", "path": "/spec/rayClusterSpec/enableInTreeAutoscaling", "value": autoscales}
    values = changed(tmp_path / "values", head, autoscaling)
    study = Following(tmp_path, *STUDY, "--values", str(values))
    reason = "ended with exit code 7, Error"
    study.until("the reason", lambda: reason in " ".join(study.reported.split()))
    until("the reason in status", lambda: reason in " ".join(tunepipe("status", "--kubernetes").split()))


def test_a_study_ends_at_its_deadline_with_a_message_and_nothing_of_it_still_runs(tmp_path):
    deadline = {"op": "replace", "path": "/spec/activeDeadlineSeconds", "value": 60}
    values = changed(tmp_path / "values", deadline)
    code, reported = submit(tmp_path, *SLOW_STUDY, "--epochs", "2000", "--values", str(values))
    assert code == 2, reported
    assert "DeadlineExceeded" in reported
    assert "has passed the activeDeadlineSeconds" in " ".join(tunepipe("status", "--kubernetes").split())
    until("the end of the cluster", lambda: not objects("pods", "ray.io/is-ray-node=yes"))
