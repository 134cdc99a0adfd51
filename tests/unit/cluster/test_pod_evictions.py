"""Pods that a node has evicted."""

from datetime import UTC, datetime

import pytest

from pipeline.cluster.pod_evictions import evicted_pods, evictions
from tests.unit.cluster.kubernetes_objects import event_about
from tests.unit.cluster.kubernetes_server import rayjob

JOB = rayjob("Running", rayClusterName="s-1-abcde")
WORKER = "s-1-abcde-gpu-l4-worker-x2k4b"


def evicted(message: str, about: str = WORKER, hour: int = 0):
    """An event with which a node's kubelet says that it has evicted a pod."""
    return event_about(about, message, datetime(2026, 1, 1, hour, tzinfo=UTC), reason="Evicted")


@pytest.mark.parametrize(
    ("message", "has_remedy"),
    [
        ("Pod ephemeral local storage usage exceeds the total limit of containers 22Gi. ", True),
        ('Container ray-worker exceeded its local ephemeral storage limit "22Gi". ', True),
        ('Usage of EmptyDir volume "tmp" exceeds the limit "20Gi". ', True),
        ("The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: 1Mi. ", True),
        ("The node was low on resource: memory. Threshold quantity: 1Gi, available: 1Mi. ", False),
    ],
)
def test_a_pod_that_was_evicted_is_named_with_its_nodes_reason(message, has_remedy):
    """A pod that was evicted is named with its node's reason, and with a remedy if it had filled the disk."""
    (found,) = evictions(JOB, [evicted(message)])
    assert found.startswith(f"pod {WORKER} was evicted from its node: {message.rstrip('. ')}")
    assert ("write less to /tmp, or raise the requests and limits of ephemeral-storage" in found) is has_remedy
    assert not found.endswith(".")


def test_evictions_are_in_order_and_of_the_present_cluster():
    """The oldest eviction is the first; those of other pods and other clusters, and other events, are left out."""
    events = [
        evicted("second", hour=2),
        evicted("first", "s-1-abcde-head-h5", hour=1),
        evicted("of another cluster", "s-1-fghij-head-h5"),
        event_about(WORKER, "another event", reason="FailedMount"),
    ]
    assert [each.rpartition(": ")[2] for each in evictions(JOB, events)] == ["first", "second"]
    assert evicted_pods(JOB, events) == {WORKER, "s-1-abcde-head-h5"}
    assert evictions(rayjob(), events) == []
