"""Why a RayJob waits: what cannot mend itself is recognised, everything else is shown as Kubernetes says it."""

import re
from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from pipeline.cluster.submissions import QUEUE_LABEL

_FATAL = re.compile(
    r"\((?:InvalidImageName|ErrImageNeverPull)\)|"
    r"\((?:ErrImagePull|ImagePullBackOff)\).*(?:not found|manifest unknown|no such host)|"
    'violates PodSecurity|is forbidden(?!: (?:exceeded quota|status unknown for quota|User "system:node:))|'
    "is invalid: |denied the request"
)
"""An image that no later pull gets, and a pod that the namespace refuses; not for its quota, which may have room, nor
what a node may not read before it has heard of its pod.
"""
_STATUSES = ("initContainerStatuses", "containerStatuses")
_STARTING = {"ContainerCreating", "PodInitializing"}
_MAX_CHARACTERS = 500


def why_pods_wait(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], events: Sequence[Any]) -> list[str]:
    """What Kubernetes says about pods of a RayJob that do not run, and warning events, the newest first."""
    said, metadata = [], job["metadata"]
    pending = {pod["metadata"]["name"]: pod for pod in pods if pod["status"].get("phase") == "Pending"}
    for name, pod in pending.items():
        for each in pod["status"].get("conditions") or ():
            if (each["type"], each["status"]) == ("PodScheduled", "False"):
                said.append(f"pod {name} waits for a node: {one_line(each.get('message') or each.get('reason'))}")
        # An init container, which waits for the head, is the first to pull a worker's image.
        for each in [one for kind in _STATUSES for one in pod["status"].get(kind) or ()]:
            waiting = (each.get("state") or {}).get("waiting")
            if waiting is not None and (reason := waiting.get("reason")) not in _STARTING:
                message = one_line(waiting.get("message"))
                said.append(f"the image {each['image']} of pod {name} does not start ({reason}): {message}")
    owners = metadata["name"], (job.get("status") or {}).get("rayClusterName") or metadata["name"]
    concerned = {*pending, *(claim for pod in pending.values() for claim in _claims(pod))}
    # Events are kept for an hour: an older RayJob may have had this name.
    since = metadata.get("creationTimestamp") or ""
    # What was refused before the newest pod was created has passed.
    newest = max((pod["metadata"].get("creationTimestamp") or "" for pod in pods), default=since)
    for each in sorted(events, key=_last_seen, reverse=True):
        about, reason = str((each.get("involvedObject") or {}).get("name")), each.get("reason")
        of_owner = about in owners and _last_seen(each) >= newest
        of_pod = about in concerned and reason != "FailedScheduling"
        if _last_seen(each) >= since and (of_owner or of_pod or (reason == "Evicted" and about.startswith(owners))):
            said.append(f"{reason}: {one_line(each.get('message'))} ({each['involvedObject'].get('kind')} {about})")
    return said


def fatal_reason(said: Sequence[str]) -> str | None:
    """The first of the reasons that no waiting mends."""
    return next(filter(_FATAL.search, said), None)


def queue_reason(job: Mapping[str, Any], workloads: Sequence[Mapping[str, Any]]) -> str:
    """Why a suspended RayJob waits in its queue, in Kueue's words."""
    metadata = job["metadata"]
    said = [
        (str(condition.get("lastTransitionTime")), condition["type"] == "Evicted", condition.get("message"))
        for each in workloads
        if any(owner["uid"] == metadata.get("uid") for owner in each["metadata"].get("ownerReferences") or ())
        for condition in (each.get("status") or {}).get("conditions") or ()
        if (condition["type"], condition["status"]) in (("Evicted", "True"), ("QuotaReserved", "False"))
    ]
    reason = f": {one_line(max(said)[2])}" if said else ""
    return f"{metadata['name']} waits in the queue {metadata['labels'][QUEUE_LABEL]!r}{reason}"


def one_line(message: str | None) -> str:
    """A message of Kubernetes in one line, which others may follow."""
    return shorten(message or "", _MAX_CHARACTERS, placeholder=" …").rstrip(".")


def _claims(pod: Mapping[str, Any]) -> set[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return {each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each}


def _last_seen(event: Mapping[str, Any]) -> str:
    """When an event was last seen; one without a time counts as new. Kubernetes' times sort as text."""
    series = (event.get("series") or {}).get("lastObservedTime")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or "9")
