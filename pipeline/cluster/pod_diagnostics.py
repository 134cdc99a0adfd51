"""Why a RayJob's pods do not run: reasons that may pass, and reasons that do not."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = ["fatal_reason", "image_reason", "is_running_head", "is_running_worker", "is_worker", "unscheduled_reason"]

_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_FORBIDDEN = re.compile("violates PodSecurity|is forbidden|exceeded quota")
_NO_ACCOUNT = "AutoscalerServiceAccountNotFound"


def fatal_reason(job: Mapping[str, Any], pods: Sequence[Any], warnings: Sequence[Any]) -> str | None:
    """The reason why a RayJob can never start, and what to do about it.

    Args:
        job: The RayJob.
        pods: Its pods.
        warnings: Warning events of its namespace.

    Returns:
        A paragraph; None if it may still start.
    """
    for pod in pods:
        if (reason := image_reason(pod)) is not None:
            return f"{reason}, or name another image with --image."
    metadata = job["metadata"]
    names = {metadata["name"], (job.get("status") or {}).get("rayClusterName")}
    created = datetime.fromisoformat(metadata["creationTimestamp"])
    for event in warnings:
        message, when = event.message or "", event.last_timestamp or event.event_time
        # Events are kept for an hour: an older RayJob may have had this name.
        old = when is not None and when < created
        refused = _FORBIDDEN.search(message) or event.reason == _NO_ACCOUNT
        if event.involved_object.name in names and not old and refused:
            return (
                f"The namespace {metadata['namespace']!r} refuses a pod of {metadata['name']!r}: {message} Change the "
                "overlay, or ask the owner of the namespace."
            )
    return None


def image_reason(pod: Any) -> str | None:
    """Why an image of a pod cannot be pulled, and what to do about it.

    Args:
        pod: The pod.

    Returns:
        Two sentences, the second without its full stop; None if no image is missing.
    """
    # An init container, which waits for the head, is the first to pull a worker's image.
    for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        waiting = status.state.waiting if status.state else None
        if waiting is not None and waiting.reason in _NO_IMAGE:
            return (
                f"The image {status.image!r} of pod {pod.metadata.name} cannot be pulled: {waiting.message or ''} "
                f"({waiting.reason}). Push it to a registry that the nodes can reach"
            )
    return None


def unscheduled_reason(pod: Any) -> str | None:
    """Why a pod is not on a node yet; None if it is.

    Args:
        pod: The pod.
    """
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"pod {pod.metadata.name} waits for a node: {condition.message}"
    return None


def is_running_worker(pod: Any) -> bool:
    """Whether a pod is a worker that runs.

    Args:
        pod: The pod.
    """
    return pod.status.phase == "Running" and is_worker(pod)


def is_running_head(pod: Any) -> bool:
    """Whether a pod is the head of a Ray cluster whose containers have not all ended.

    Args:
        pod: The pod.
    """
    is_head = (pod.metadata.labels or {}).get("ray.io/node-type") == "head"
    return is_head and pod.status.phase not in ("Succeeded", "Failed")


def is_worker(pod: Any) -> bool:
    """Whether a pod is a worker, running or not.

    Args:
        pod: The pod.
    """
    return (pod.metadata.labels or {}).get("ray.io/node-type") == "worker"
