"""Objects of Kubernetes as its client returns them: pods, containers that wait and warning events."""

from datetime import datetime
from typing import Any

from kubernetes.client import (
    CoreV1Event,
    V1ContainerState,
    V1ContainerStateWaiting,
    V1ContainerStatus,
    V1ObjectMeta,
    V1ObjectReference,
    V1Pod,
    V1PodStatus,
)


def pod_with(labels: dict[str, str] | None = None, created: datetime | None = None, **status: Any) -> V1Pod:
    """A pod named p, with a status."""
    metadata = V1ObjectMeta(name="p", labels=labels, creation_timestamp=created)
    return V1Pod(metadata=metadata, status=V1PodStatus(**status))


def waiting_container(reason: str, message: str | None = "not found", image: str = "x:1") -> V1ContainerStatus:
    """A container that waits for a reason."""
    state = V1ContainerState(waiting=V1ContainerStateWaiting(reason=reason, message=message))
    return V1ContainerStatus(name="c", image=image, image_id="", ready=False, restart_count=0, state=state)


def event_about(
    about: str, message: str, when: datetime | None = None, *, reason: str = "FailedCreate", **fields: Any
) -> CoreV1Event:
    """A warning event about an object, last seen at a moment."""
    return CoreV1Event(
        metadata=V1ObjectMeta(name="e"),
        involved_object=V1ObjectReference(name=about),
        message=message,
        reason=reason,
        last_timestamp=when,
        **fields,
    )


def failed_pull(cause: str, when: datetime | None = None, *, image: str = "x:1", **fields: Any) -> CoreV1Event:
    """An event about failed pulls of an image by pod p."""
    return event_about("p", f'Failed to pull image "{image}": {cause}', when, reason="Failed", **fields)
