"""Reasons why a study cannot start are reported in about a minute, in tunepipe's words, with exit code 2."""

from pathlib import Path

import pytest

from tests.kubernetes.groups import cluster_with
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.operator import start_operator
from tests.kubernetes.testbed.place import KUBECONFIG
from tests.kubernetes.testbed.room import stop
from tests.kubernetes.user import (
    NAMESPACE,
    SLOW_STUDY,
    SUBMITTER,
    WORKERS,
    Following,
    objects,
    running,
    submit,
    tunepipe,
    until,
)

STUDY = ("beale", "--gpus-per-trial", "1", "--trials", "2", "--workers", "1")


def refused(where, *words: str, kubeconfig: Path = SUBMITTER) -> str:
    """The output of a submission that ends with exit code 2."""
    code, reported = submit(where, *STUDY, *words, kubeconfig=kubeconfig)
    assert code == 2, reported
    assert "Traceback" not in reported
    return reported


def test_a_missing_image_is_reported(gone, tmp_path):
    """An image that no node can pull is reported with its name and a remedy."""
    assert "The image 'nowhere.invalid/x:1'" in refused(tmp_path, "--image", "nowhere.invalid/x:1")


def test_a_study_that_is_not_followed_and_cannot_start(gone, tmp_path):
    """A study of --detach that can never start stays, and `status` says why, with the command that deletes it."""
    code, reported = submit(tmp_path, *STUDY, "--detach", "--image", "nowhere.invalid/x:1")
    assert code == 0, reported
    assert "If it cannot start, it waits for up to 14.0 days" in " ".join(reported.split())
    stop_it = "tunepipe stop beale-1 --kubernetes --namespace tunepipe"

    def shown() -> str:
        return " ".join(tunepipe("status", "--kubernetes").split())

    until("the reason", lambda: f"The RayJob waits for up to 14.0 days; `{stop_it}` deletes it." in shown())
    assert "The image 'nowhere.invalid/x:1'" in shown()
    tunepipe(*stop_it.split()[1:])
    assert objects("rayjobs") == []


def test_a_missing_namespace_is_reported(foundation, tmp_path):
    """A missing namespace is reported with how to create it, or with the missing right to list namespaces."""
    assert "the role tunepipe-submitter" in refused(tmp_path, "--namespace", "nowhere")
    assert "There is no such namespace" in refused(tmp_path, "--namespace", "nowhere", kubeconfig=KUBECONFIG)


def test_a_namespace_that_forbids_its_pods(gone, tmp_path):
    """A study whose namespace has a quota smaller than one pod is abandoned with the server's message."""
    kubectl("create", "quota", "none", "-n", NAMESPACE, "--hard=pods=0")
    try:
        reported = " ".join(refused(tmp_path, "--wait-pods", "15").split())
        assert "exceeded quota: none, requested: pods=1" in reported
        assert "could not start for 15 s" in reported
    finally:
        kubectl("delete", "rayjob", "--all", "-n", NAMESPACE)
        kubectl("delete", "quota", "none", "-n", NAMESPACE)


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
        assert "the KubeRay operator does not run" in refused(tmp_path)
    finally:
        start_operator()


def test_definitions_that_are_missing_or_too_old(gone, tmp_path):
    """Missing definitions of KubeRay, and ones too old for the manifests, are reported as such."""
    field = {"op": "add", "path": "/spec/ofALaterVersion", "value": True}
    newer = cluster_with(tmp_path / "values", {"gpu": "l4"}, more=[field])
    assert "definitions there are too old" in refused(tmp_path, "--values", str(newer))
    try:
        stop("operator")
        kubectl("delete", "crd", "rayjobs.ray.io")
        assert "Install the KubeRay operator with its definitions" in refused(tmp_path)
    finally:
        start_operator()


def test_a_cluster_without_a_node_of_that_kind(gone, tmp_path):
    """A study without a matching GPU node is reported, and abandoned after --wait-pods."""
    try:
        kubectl("cordon", "gpu")
        code, reported = submit(tmp_path, *STUDY, "--wait-pods", "15")
        assert code == 2, reported
        assert "waits for a node: 0/2 nodes are available" in reported
        assert "could not start for 15 s" in reported
    finally:
        # Before there is a node for it: it would begin now, and be waited for.
        kubectl("delete", "rayjob", "--all", "-n", NAMESPACE, "--wait=false")
        until("the end of the pod that waits", lambda: not objects("pods", WORKERS))
        kubectl("uncordon", "gpu")
