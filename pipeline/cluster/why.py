"""Why a RayJob waits: what cannot mend itself is recognised, everything else is shown as Kubernetes says it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any

from pipeline.cluster.submissions import PRIORITY_LABEL, QUEUE_LABEL

STARTING_SECONDS = 45.0
"""By then a running operator has updated a new RayJob, and Kueue has made a workload."""

_NEVER_PULLED = {"InvalidImageName", "ErrImageNeverPull"}
_NOT_PULLED = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"}
_ABSENT = re.compile("not found|manifest unknown|name unknown", re.IGNORECASE)
"""A registry's answer that it does not have the image. The first pull of a new node may come before its credentials."""
_FAILED_PULLS = 3
"""An image counts as missing after this many failed pulls of one pod: a busy registry has half a minute until then."""
_STARTING = {"ContainerCreating", "PodInitializing"}
_FORBIDDEN = re.compile("violates PodSecurity|is forbidden|is invalid: |denied the request|ServiceAccountNotFound")
_QUOTA = re.compile("exceeded quota|status unknown for quota")
_ENDED = re.compile(r"ExitCode:[1-9]")
_REPEATED = {"FailedScheduling", "Failed", "BackOff"}
"""Events about what a pod's conditions and containers say, too."""
_MAX_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What keeps a RayJob's pods from running: forever, or for now, the newest first; and why pods were lost."""

    fatal: str | None = None
    waits: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def diagnose(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], events: Sequence[Any]) -> Diagnosis:
    """Why pods of a RayJob do not run."""
    metadata = job["metadata"]
    owners = metadata["name"], (job.get("status") or {}).get("rayClusterName") or metadata["name"]
    # Events are kept for an hour: an older RayJob may have had this name.
    since = _moment(metadata.get("creationTimestamp"))
    events = sorted((each for each in events if _last_seen(each) >= since), key=_last_seen, reverse=True)
    pending = {pod["metadata"]["name"]: pod for pod in pods if pod["status"].get("phase") == "Pending"}
    concerned = {*pending, *(claim for pod in pending.values() for claim in _claims(pod))}
    # What was refused before the newest pod was created has passed.
    newest = max((_moment(pod["metadata"].get("creationTimestamp")) for pod in pods), default=since)
    fatal = [said for pod in pending.values() if (said := _missing_image(pod, events))]
    waits, lost = [said for pod in pending.values() for said in _conditions(pod)], []
    for each in events:
        about, reason, message = _about(each), each.get("reason") or "", each.get("message") or ""
        if reason.startswith("Deleted") or reason == "Evicted":
            if about.startswith(owners) and (reason == "Evicted" or _ENDED.search(message)):
                lost.append(_shown(each))
        elif about in owners and _last_seen(each) >= newest:
            if _FORBIDDEN.search(reason + message) and not _QUOTA.search(message):
                fatal.append(
                    f"The namespace {metadata['namespace']!r} refuses a pod of {metadata['name']!r}: "
                    f"{one_line(message)}. Change the values of the chart, or ask the owner of the namespace."
                )
            else:
                waits.append(_shown(each))
        elif about in concerned and reason not in _REPEATED:
            waits.append(_shown(each))
    return Diagnosis(fatal[0] if fatal else None, tuple(waits), tuple(lost))


def queue_reason(job: Mapping[str, Any], workloads: Sequence[Mapping[str, Any]] | None) -> str:
    """Why a suspended RayJob waits in its queue, in Kueue's words; `workloads` is None if they cannot be listed."""
    metadata = job["metadata"]
    labels, uid = metadata["labels"], metadata.get("uid")
    waits = f"{metadata['name']} waits in the queue {labels[QUEUE_LABEL]!r}"
    owners = [(each, each["metadata"].get("ownerReferences") or ()) for each in workloads or ()]
    own = [each.get("status") or {} for each, named in owners if any(owner["uid"] == uid for owner in named)]
    said = [
        (str(each.get("lastTransitionTime")), each["type"] == "Evicted", f": {one_line(each.get('message'))}")
        for status in own[-1:]
        for each in status.get("conditions") or ()
        if (each["type"], each["status"]) in (("Evicted", "True"), ("QuotaReserved", "False"))
    ] or [
        ("", False, f" for its admission check {each['name']!r}: {one_line(each.get('message'))}")
        for status in own[-1:]
        for each in status.get("admissionChecks") or ()
        if each.get("state") != "Ready"
    ]
    if said:
        return f"{waits}{max(said)[2]}"
    if workloads is not None and not own and age(job) > STARTING_SECONDS:
        priority = labels.get(PRIORITY_LABEL)
        missing = f" (is there the WorkloadPriorityClass {priority!r}?)" if priority else ""
        return f"{waits}, and Kueue has created no workload for it{missing}"
    return waits


def age(job: Mapping[str, Any]) -> float:
    """The seconds since a RayJob was created."""
    return (datetime.now(UTC) - _moment(job["metadata"].get("creationTimestamp"))).total_seconds()


def is_alive(pod: Mapping[str, Any], kind: str) -> bool:
    """Whether a pod is a `head` or a `worker` whose containers have not all ended."""
    labels = pod["metadata"].get("labels") or {}
    return labels.get("ray.io/node-type") == kind and pod["status"].get("phase") not in ("Succeeded", "Failed")


def one_line(message: str | None) -> str:
    """A message of Kubernetes in one line, which others may follow."""
    return shorten(message or "", _MAX_CHARACTERS, placeholder=" …").rstrip(".")


def _conditions(pod: Mapping[str, Any]) -> Iterator[str]:
    """Why a pod is not on a node, and why its containers do not start."""
    name = pod["metadata"]["name"]
    for each in pod["status"].get("conditions") or ():
        if (each["type"], each["status"]) == ("PodScheduled", "False"):
            yield f"pod {name} waits for a node: {one_line(each.get('message') or each.get('reason'))}"
    for each, waiting in _waiting(pod):
        if waiting["reason"] not in _STARTING:
            said = one_line(waiting.get("message"))
            yield f"the container {each['name']} of pod {name} does not start ({waiting['reason']}): {said}"


def _missing_image(pod: Mapping[str, Any], events: Sequence[Any]) -> str | None:
    """An image of a pod that no later attempt can pull; None if there is none."""
    name = pod["metadata"]["name"]
    for each, waiting in _waiting(pod):
        text, reason = f'Failed to pull image "{each["image"]}"', waiting["reason"]
        own = [one for one in events if _about(one) == name and text in (one.get("message") or "")]
        # Between two pulls, the container's message does not say why the last one failed.
        said = [*(one["message"] for one in own[:1]), waiting.get("message") or ""]
        failed = sum(int((one.get("series") or {}).get("count") or one.get("count") or 1) for one in own)
        gone = failed >= _FAILED_PULLS or any(map(_ABSENT.search, said))
        if reason in _NEVER_PULLED or (reason in _NOT_PULLED and gone):
            return (
                f"The image {each['image']!r} of pod {name} cannot be pulled: {one_line(said[0])} ({reason}). Push it "
                "to a registry that the nodes can reach, or name another image with --image."
            )
    return None


def _waiting(pod: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    # An init container, which waits for the head, is the first to pull a worker's image.
    for kind in ("initContainerStatuses", "containerStatuses"):
        for each in pod["status"].get(kind) or ():
            if (waiting := (each.get("state") or {}).get("waiting")) is not None:
                yield each, {"reason": "", **waiting}


def _claims(pod: Mapping[str, Any]) -> set[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return {each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each}


def _shown(event: Mapping[str, Any]) -> str:
    kind = (event.get("involvedObject") or {}).get("kind", "")
    return f"{event.get('reason')}: {one_line(event.get('message'))} ({kind} {_about(event)})"


def _about(event: Mapping[str, Any]) -> str:
    return (event.get("involvedObject") or {}).get("name") or ""


def _last_seen(event: Mapping[str, Any]) -> datetime:
    """When an event was last seen; one without a time counts as new."""
    series = (event.get("series") or {}).get("lastObservedTime")
    when = series or event.get("lastTimestamp") or event.get("eventTime")
    return _moment(when) if when else datetime.max.replace(tzinfo=UTC)


def _moment(when: str | None) -> datetime:
    return datetime.fromisoformat(when) if when else datetime.min.replace(tzinfo=UTC)
