"""What keeps a RayJob's pods from running: what waiting mends, and what it does not."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = ["hopeless", "unscheduled", "works"]

_NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_FORBIDDEN = re.compile("violates PodSecurity|is forbidden|exceeded quota")
_NO_ACCOUNT = "AutoscalerServiceAccountNotFound"


def hopeless(job: Mapping[str, Any], pods: Sequence[Any], warnings: Sequence[Any]) -> str | None:
    """What no waiting mends, and what to do about it.

    Args:
        job: The RayJob.
        pods: Its pods.
        warnings: Events of its namespace that are warnings.

    Returns:
        A paragraph; None where there is nothing of the kind.
    """
    for pod in pods:
        # The image of a worker is pulled for the one that waits for the head first.
        for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
            waiting = status.state.waiting if status.state else None
            if waiting is not None and waiting.reason in _NO_IMAGE:
                return (
                    f"The image {status.image!r} of pod {pod.metadata.name} cannot be pulled: "
                    f"{waiting.message or ''} ({waiting.reason}). Push it where the "
                    "nodes can reach it, or name another with --image."
                )
    metadata = job["metadata"]
    mine = {metadata["name"], (job.get("status") or {}).get("rayClusterName")}
    made = datetime.fromisoformat(metadata["creationTimestamp"])
    for event in warnings:
        said, when = event.message or "", event.last_timestamp or event.event_time
        # Events are kept for an hour: an older RayJob may have had this name.
        old = when is not None and when < made
        refused = _FORBIDDEN.search(said) or event.reason == _NO_ACCOUNT
        if event.involved_object.name in mine and not old and refused:
            return (
                f"The namespace {metadata['namespace']!r} refuses a pod of {metadata['name']!r}: {said} Mend the "
                "overlay, or ask whoever keeps the namespace."
            )
    return None


def unscheduled(pod: Any) -> str | None:
    """Why a pod has no node yet; None where it has one.

    Args:
        pod: The pod.
    """
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"pod {pod.metadata.name} waits for a node: {condition.message}"
    return None


def works(pod: Any) -> bool:
    """Whether a pod is a worker that runs.

    Args:
        pod: The pod.
    """
    return pod.status.phase == "Running" and (pod.metadata.labels or {}).get("ray.io/node-type") == "worker"
