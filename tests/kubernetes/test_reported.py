"""Reasons why a study cannot start are reported in about a minute, in tunepipe's words, with exit code 2."""

import pytest

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.operator import start_operator
from tests.kubernetes.testbed.room import stop
from tests.kubernetes.user import (
    NAMESPACE,
    SLOW_STUDY,
    WORKERS,
    Following,
    objects,
    running,
    submit,
    tunepipe,
)

STUDY = ("beale", "--gpus-per-trial", "1", "--trials", "2", "--workers", "1")


def refused(where, *words: str) -> str:
    """The output of a submission that ends with exit code 2."""
    code, reported = submit(where, *STUDY, *words)
    assert code == 2, reported
    assert "Traceback" not in reported
    return reported


def test_a_missing_image_is_reported(gone, tmp_path):
    """An image that no node can pull is reported with its name, and the RayJob is deleted."""
    reported = " ".join(refused(tmp_path, "--image", "nowhere.invalid/x:1").split())
    assert "the image nowhere.invalid/x:1 of pod" in reported
    assert "The RayJob beale-1 was deleted." in reported
    assert objects("rayjobs") == []


@pytest.mark.parametrize("amount", ["requests.nvidia.com/gpu=2", "pods=4"], ids=["of a worker", "of a head"])
def test_a_quota_that_another_study_uses_up(gone, tmp_path, amount):
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


def test_an_operator_that_does_not_run(gone, tmp_path):
    """A study is refused with an explanation if the KubeRay operator does not run."""
    try:
        stop("operator")
        assert "the KubeRay operator does not run" in " ".join(refused(tmp_path).split())
    finally:
        start_operator()
