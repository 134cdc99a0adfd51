"""Pods of a RayJob's cluster that a node has evicted, for instance because they filled its disk."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cluster.warning_events import moment

_REASON = "Evicted"
_OF_DISK = re.compile(r"ephemeral|EmptyDir", re.IGNORECASE)
"""A pod that filled more than its limit of disk, or more than its request on a node whose disk is full."""
_REMEDY = (
    "Have the job write less to /tmp, or raise the requests and limits of ephemeral-storage, and the sizeLimit of the "
    "volume tmp, in the overlay"
)


def evictions(job: Mapping[str, Any], warnings: Sequence[Any]) -> list[str]:
    """The pods of a RayJob's present cluster that were evicted, each with the node's reason, the oldest first."""
    return [_sentences(each) for each in sorted(_own(job, warnings), key=moment)]


def evicted_pods(job: Mapping[str, Any], warnings: Sequence[Any]) -> set[str]:
    """The names of the pods of a RayJob's present cluster that were evicted."""
    return {each.involved_object.name for each in _own(job, warnings)}


def _own(job: Mapping[str, Any], warnings: Sequence[Any]) -> list[Any]:
    """The events about evicted pods of a RayJob's present cluster."""
    if not (cluster := (job.get("status") or {}).get("rayClusterName")):
        return []
    return [
        each
        for each in warnings
        if each.reason == _REASON and (each.involved_object.name or "").startswith(f"{cluster}-")
    ]


def _sentences(event: Any) -> str:
    message = " ".join((event.message or "").split()).rstrip(".")
    remedy = f". {_REMEDY}" if _OF_DISK.search(message) else ""
    return f"pod {event.involved_object.name} was evicted from its node: {message}{remedy}"
