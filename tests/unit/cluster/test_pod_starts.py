"""Why a pod that is on a node does not start."""

import pytest

from pipeline.cluster.pod_diagnostics import diagnose
from pipeline.cluster.pod_starts import unstarted_reason
from tests.unit.cluster.kubernetes_objects import event_about, pod_with, waiting_container
from tests.unit.cluster.kubernetes_server import rayjob

UNMOUNTED = 'MountVolume.SetUp failed for volume "studies":\n  mount failed: exit status 32.'


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("CreateContainerConfigError", 'c of pod p does not start (CreateContainerConfigError): secret "a" not found'),
        ("CrashLoopBackOff", "c of pod p ends repeatedly; `kubectl logs --previous p -c c` shows"),
    ],
)
def test_a_container_that_does_not_start_says_why(reason: str, words: str) -> None:
    """A container that cannot be created, or that ends repeatedly, is the reason, with the node's message."""
    pod = pod_with(phase="Pending", container_statuses=[waiting_container(reason, 'secret "a" not found.')])
    assert words in (unstarted_reason(pod, []) or "")


@pytest.mark.parametrize("reason", ["ContainerCreating", "ErrImagePull"])
def test_other_containers_that_wait_are_no_reason(reason: str) -> None:
    """A container that is being created, or whose image is pulled, has no such reason."""
    assert unstarted_reason(pod_with(phase="Pending", container_statuses=[waiting_container(reason)]), []) is None


def test_a_volume_that_is_not_mounted_is_the_reason() -> None:
    """A node that has failed to mount a volume several times is the reason, as long as the pod has not started."""
    events = [event_about("p", UNMOUNTED, reason="FailedMount", count=4)]
    expected = (
        'the node of pod p cannot prepare it (FailedMount): MountVolume.SetUp failed for volume "studies": mount '
        "failed: exit status 32"
    )
    assert unstarted_reason(pod_with(phase="Pending"), events) == expected
    assert unstarted_reason(pod_with(phase="Running"), events) is None
    assert diagnose(rayjob("Initializing"), [pod_with(phase="Pending")], events).waits == (expected,)


@pytest.mark.parametrize(
    "event",
    [
        event_about("p", UNMOUNTED, reason="FailedMount", count=1),
        event_about("q", UNMOUNTED, reason="FailedMount", count=4),
        event_about("p", "Readiness probe failed", reason="Unhealthy", count=4),
    ],
    ids=["once", "another pod", "another reason"],
)
def test_events_that_say_nothing_of_the_start_are_ignored(event: object) -> None:
    """An event that came once, is about another pod, or has another reason says nothing about the start."""
    assert unstarted_reason(pod_with(phase="Pending"), [event]) is None
