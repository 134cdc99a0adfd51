"""Pods that are not created: by a policy, by a quota that may have room later, or while a webhook is away."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.cluster.warning_events import last_seen, moment, times_seen

_FORBIDDEN = re.compile("violates PodSecurity|is forbidden|is invalid: |exceeded quota|denied the request")
_NO_ACCOUNT = "AutoscalerServiceAccountNotFound"

_NOT_CREATED = re.compile("FailedCreate$|FailedToCreate")
"""Reasons of the events with which KubeRay's operator, and the controller of Jobs, say what they could not create."""
_ATTEMPT = re.compile(r"Error creating: |Failed (?:to create|creating) [^,:]*[,:] ")
"""The beginning of their messages, which may have another name for each attempt."""
_SEEN = 2
"""They try again: what they have reported once has often passed."""

_QUOTA = re.compile("exceeded quota: .*|status unknown for quota: .*", re.DOTALL)
"""What a quota says: it has no room now, or it is new and nothing was counted yet. From here on, the text does not name
the pod: the operator gives each attempt to create one another name."""

_AMOUNTS = re.compile(r"requested: (?P<requested>\S+), used: .*, limited: (?P<limited>\S+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pod of a RayJob, or what it needs, is not created."""

    text: str
    permanent: bool


def refusal(job: Mapping[str, Any], pods: Sequence[Any], warnings: Sequence[Any]) -> Refusal | None:
    """Why one of a RayJob's pods, or what they need, is not created; None if none was refused since the newest."""
    names = {job["metadata"]["name"], (job.get("status") or {}).get("rayClusterName")}
    own = [each for each in warnings if each.involved_object.name in names and _is_current(each, job, pods)]
    events = [each for each in own if _FORBIDDEN.search(each.message or "") or each.reason == _NO_ACCOUNT]
    for event in events:
        if not _QUOTA.search(event.message or ""):
            return Refusal(_text(event.message), permanent=True)
    if not events:
        return _not_created(job, own)
    newest = max(events, key=moment)
    if beyond := _beyond(newest.message):
        return Refusal(
            f"{_text(newest.message)}. One pod requests more than the whole quota ({beyond}), so waiting does not help",
            permanent=True,
        )
    said = _QUOTA.search(newest.message)
    return Refusal(
        f"the quota of the namespace {job['metadata']['namespace']!r} has no room for another pod now: "
        f"{_text(said[0] if said else newest.message)}",
        permanent=False,
    )


def _not_created(job: Mapping[str, Any], events: Sequence[Any]) -> Refusal | None:
    """Why something repeatedly cannot be created that nobody has refused, for instance because a webhook is away."""
    failed = [each for each in events if _NOT_CREATED.match(each.reason or "")]
    if sum(map(times_seen, failed)) < _SEEN:
        return None
    cause = _text(_ATTEMPT.sub("", max(failed, key=moment).message or "", count=1))
    name = job["metadata"]["name"]
    return Refusal(f"an object of {name!r} cannot be created now, and KubeRay tries again: {cause}", permanent=False)


def _is_current(event: Any, job: Mapping[str, Any], pods: Sequence[Any]) -> bool:
    """Whether an event is of this RayJob, and no pod was created after it.

    Events are kept for an hour: an older RayJob may have had this name, and a quota may have had room since.
    """
    when, about = last_seen(event), event.involved_object.name
    if when is None:
        return True
    created = [datetime.fromisoformat(job["metadata"]["creationTimestamp"])]
    for pod in pods:
        labels = pod.metadata.labels or {}
        if about in (labels.get("ray.io/cluster"), labels.get("job-name")) and pod.metadata.creation_timestamp:
            created.append(pod.metadata.creation_timestamp)
    return when >= max(created)


def _beyond(message: str) -> str:
    """The resources of which one pod requests more than the whole quota: "pods: 1 of 0"; empty if there are none."""
    from kubernetes.utils import parse_quantity

    if (amounts := _AMOUNTS.search(message)) is None:
        return ""
    requested, limited = (
        dict(each.split("=", 1) for each in amounts[kind].rstrip(".").split(",") if "=" in each)
        for kind in ("requested", "limited")
    )
    try:
        return ", ".join(
            f"{resource}: {amount} of {limited[resource]}"
            for resource, amount in requested.items()
            if resource in limited and parse_quantity(amount) > parse_quantity(limited[resource])
        )
    except ValueError:
        # An amount in a form that the client does not know: the server itself will say when there is room.
        return ""


def _text(message: str) -> str:
    return " ".join(message.split()).rstrip(".")
