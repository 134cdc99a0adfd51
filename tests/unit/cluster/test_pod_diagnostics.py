"""Why a RayJob's pods do not run."""

from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes.client import (
    CoreV1Event,
    V1ContainerState,
    V1ContainerStateWaiting,
    V1ContainerStatus,
    V1ObjectMeta,
    V1ObjectReference,
    V1Pod,
    V1PodCondition,
    V1PodStatus,
)

from pipeline.cluster.pod_diagnostics import fatal_reason, is_running_worker, unscheduled_reason
from tests.unit.cluster.kubernetes_server import rayjob

JOB = rayjob("Initializing", rayClusterName="s-1-abc")


def _pod(labels: dict[str, str] | None = None, **status: Any) -> V1Pod:
    return V1Pod(metadata=V1ObjectMeta(name="p", labels=labels), status=V1PodStatus(**status))


def _waiting(reason: str) -> V1ContainerStatus:
    state = V1ContainerState(waiting=V1ContainerStateWaiting(reason=reason, message="not found"))
    return V1ContainerStatus(name="c", image="x:1", image_id="", ready=False, restart_count=0, state=state)


def _event(about: str, message: str, when: datetime | None = None, reason: str = "FailedCreate") -> CoreV1Event:
    return CoreV1Event(
        metadata=V1ObjectMeta(name="e"),
        involved_object=V1ObjectReference(name=about),
        message=message,
        reason=reason,
        last_timestamp=when,
    )


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
@pytest.mark.parametrize("containers", ["container_statuses", "init_container_statuses"])
def test_an_image_that_cannot_be_pulled_is_fatal(reason: str, containers: str) -> None:
    """An image that cannot be pulled, by a container or an init container, is fatal and named with pod and reason."""
    reported = fatal_reason(JOB, [_pod(**{containers: [_waiting(reason)]})], [])
    assert reported is not None
    assert reported.startswith(f"The image 'x:1' of pod p cannot be pulled: not found ({reason}). ")
    assert "--image" in reported


@pytest.mark.parametrize(
    "status",
    [
        _waiting("ContainerCreating"),
        V1ContainerStatus(name="c", image="x:1", image_id="", ready=False, restart_count=0),
    ],
)
def test_a_container_that_starts_may_still_run(status: Any) -> None:
    """A container that is starting and a pod without a status are not fatal."""
    assert fatal_reason(JOB, [_pod(container_statuses=[status]), _pod()], []) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('pods "s-1-head" is forbidden: violates PodSecurity "restricted:latest"', "FailedCreate"),
        ("exceeded quota: gpus", "FailedCreate"),
        ("no service account", "AutoscalerServiceAccountNotFound"),
    ],
)
@pytest.mark.parametrize("about", ["s-1", "s-1-abc"])
def test_a_namespace_that_refuses_a_pod_is_fatal(about: str, message: str, reason: str) -> None:
    """A namespace that refuses a pod is fatal, with the event's message about the RayJob or its cluster."""
    reported = fatal_reason(JOB, [], [_event(about, message, reason=reason)])
    assert reported == (
        f"The namespace 'tunepipe' refuses a pod of 's-1': {message} Change the overlay, or ask the owner of the "
        "namespace."
    )


@pytest.mark.parametrize(
    "event",
    [
        _event("s-1", "Back-off restarting failed container"),
        _event("other", "exceeded quota: gpus"),
        _event("s-1", "exceeded quota: gpus", datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
    ],
    ids=["another-warning", "another-object", "before-it-was-created"],
)
def test_other_events_are_not_fatal(event: CoreV1Event) -> None:
    """Other warnings, and events of another object or of an older RayJob, are not fatal."""
    assert fatal_reason(JOB, [], [event]) is None


def test_a_pod_without_a_node_has_a_reason() -> None:
    """A pod without a node has the scheduler's reason; one with a node or no condition has none."""
    waits = V1PodCondition(type="PodScheduled", status="False", message="0/2 nodes are available.")
    has = V1PodCondition(type="PodScheduled", status="True")
    assert unscheduled_reason(_pod(conditions=[waits])) == "pod p waits for a node: 0/2 nodes are available."
    assert unscheduled_reason(_pod(conditions=[has])) is None
    assert unscheduled_reason(_pod()) is None


@pytest.mark.parametrize(
    ("phase", "kind", "expected"),
    [("Running", "worker", True), ("Pending", "worker", False), ("Running", "head", False), ("Running", None, False)],
)
def test_only_a_running_worker_trains(phase: str, kind: str | None, expected: bool) -> None:
    """Only a running worker pod counts as training: a head, a pending pod or a pod outside Ray does not."""
    labels = None if kind is None else {"ray.io/node-type": kind}
    assert is_running_worker(_pod(labels, phase=phase)) == expected
