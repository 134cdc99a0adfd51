"""The end of a study in Kubernetes on a user's request."""

import pytest

from pipeline.cluster import stop_rayjob
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.errors import ClusterError
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, pod, rayjob

PODS = f"{CORE}/pods"


@pytest.fixture
def stopped(api_server):
    """A server with a RayJob that is gone once it was deleted, and no configured pods."""
    api_server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running", "s-1", rayClusterName="s-1-x")]
    return api_server


def test_a_stop_returns_when_the_head_has_ended(stopped):
    """A stop deletes the RayJob and returns when the pod of its driver has ended, with or without its workers."""
    head, worker = pod("s-1-x-head", "Running", "head"), pod("s-1-x-worker", "Running", "worker")
    # Each request lists the pods that submit, and then those of the cluster.
    lists = ([], [head, worker], [], [head, worker], [], [worker])
    stopped.answers[PODS] = [{"items": each} for each in lists]
    stop_rayjob.stop_rayjob(Kubernetes(None, "tunepipe"), "s-1")
    assert stopped.deleted == [f"{RAYJOBS}/s-1"]
    assert stopped.answers[PODS] == [{"items": [worker]}]


def test_a_head_that_does_not_end_is_reported(stopped, monkeypatch):
    """A head whose pod stays after its grace period is reported, with the pod and a command that says more."""
    monkeypatch.setattr(stop_rayjob, "SILENT_SECONDS", 0.0)
    stopped.answers[PODS] = [{"items": [pod("s-1-x-head", "Running", "head")]}]
    with pytest.raises(ClusterError, match=r"'s-1' is deleted, but the pod s-1-x-head .* describe pod -n tunepipe"):
        stop_rayjob.stop_rayjob(Kubernetes(None, "tunepipe"), "s-1")


def test_a_server_that_is_busy_while_a_head_ends_is_asked_again(stopped, monkeypatch):
    """A stop continues although the server is busy for a moment after the deletion."""
    ended = stop_rayjob.Kubernetes.stop

    def stop(server, name):
        ended(server, name)
        stopped.errors[PODS] = 2

    monkeypatch.setattr(stop_rayjob.Kubernetes, "stop", stop)
    stop_rayjob.stop_rayjob(Kubernetes(None, "tunepipe"), "s-1")
    assert stopped.errors[PODS] == 0
