"""Why a RayJob waits: what cannot mend itself is recognised, everything else is shown as Kubernetes says it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any

from pipeline.cluster.submissions import PRIORITY_LABEL, QUEUE_LABEL
from pipeline.text import duration

STARTING_SECONDS = 45.0
"""By then a running operator has updated a new RayJob, Kueue has made a workload, Ray has requested a worker's pod."""

_NEVER_PULLED = {"InvalidImageName", "ErrImageNeverPull"}
_NOT_PULLED = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"}
_ABSENT = re.compile("not found|manifest unknown|name unknown", re.IGNORECASE)
"""A registry's answer that it does not have the image. The first pull of a new node may come before its credentials."""
_FAILED_PULLS = 3
"""An image counts as missing after this many failed pulls of one pod: a busy registry has half a minute until then."""
_STARTING = {"ContainerCreating", "PodInitializing"}
_FORBIDDEN = re.compile("violates PodSecurity|is forbidden|is invalid: |denied the request")
_QUOTA = re.compile("exceeded quota|status unknown for quota")
_NO_ACCOUNT = "AutoscalerServiceAccountNotFound"
_ENDED = re.compile(r"ExitCode:[1-9]")
_REPEATED = {"FailedScheduling", "Failed", "BackOff"}
"""Events about what a pod's conditions and containers say, too."""
_UNREAD = re.compile("did not reach terminal state|JobStatusCheckTimeoutExceeded", re.DOTALL)
_MAX_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What keeps a RayJob's pods from running: forever, for now (the newest first), and what nodes have evicted."""

    fatal: str | None = None
    waits: tuple[str, ...] = ()
    evicted: tuple[str, ...] = ()


def diagnose(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], events: Sequence[Any]) -> Diagnosis:
    """Why pods of a RayJob do not run."""
    cluster, metadata = (job.get("status") or {}).get("rayClusterName"), job["metadata"]
    # Events are kept for an hour: an older RayJob may have had this name.
    since = metadata.get("creationTimestamp")
    events = sorted((each for each in events if _last_seen(each) >= _moment(since)), key=_last_seen, reverse=True)
    pending = {pod["metadata"]["name"]: pod for pod in pods if pod["status"].get("phase") == "Pending"}
    fatal = [said for pod in pending.values() if (said := _missing_image(pod, events))]
    waits = [said for pod in pending.values() for said in _conditions(pod)]
    evicted = []
    # What was refused before the newest pod was created has passed.
    newest = max((_moment(pod["metadata"].get("creationTimestamp")) for pod in pods), default=_moment(since))
    deleted = [each for each in events if each.get("reason") in ("DeletedHeadPod", "DeletedWorkerPod")]
    failed = [each for each in deleted if _about(each) == cluster and _ENDED.search(each.get("message") or "")]
    for each in events:
        about, reason, message = _about(each), each.get("reason") or "", each.get("message") or ""
        if reason == "Evicted" and cluster and about.startswith(f"{cluster}-"):
            evicted.append(f"pod {about} was evicted from its node: {_line(message)}")
        elif about in (metadata["name"], cluster) and each not in deleted and _last_seen(each) >= newest:
            if reason == _NO_ACCOUNT or (_FORBIDDEN.search(message) and not _QUOTA.search(message)):
                fatal.append(
                    f"The namespace {metadata['namespace']!r} refuses a pod of {metadata['name']!r}: {_line(message)}. "
                    "Change the overlay, or ask the owner of the namespace."
                )
            elif _QUOTA.search(message) or _times(each) > 1:
                waits.append(_shown(each))
        elif about in pending or about in {claim for pod in pending.values() for claim in _claims(pod)}:
            # Nodes try again: what they have reported once has often passed.
            waits += [_shown(each)] if reason not in _REPEATED and (_times(each) > 1 or about not in pending) else []
    if failed and sum(map(_times, failed)) > 1:
        waits.append(_shown(failed[0]))
    return Diagnosis(fatal[0] if fatal else None, tuple(waits), tuple(reversed(evicted)))


def operator_problem(job: Mapping[str, Any], waited: float) -> str | None:
    """What goes wrong because no operator takes a RayJob, or it cannot read how its study ended; as sentences."""
    status, metadata = job.get("status") or {}, job["metadata"]
    if not status and not job["spec"].get("suspend") and waited > STARTING_SECONDS:
        return (
            f"No operator has started the RayJob {metadata['name']!r} in {duration(waited)}: the KubeRay operator does "
            f"not run, or does not watch the namespace {metadata['namespace']!r}. `kubectl get deployment -A` shows "
            "whether it runs."
        )
    said = f"{status.get('reason', '')} {status.get('message', '')}"
    if _UNREAD.search(said) and (status.get("rayJobInfo") or {}).get("startTime") is None:
        return (
            f"{metadata['name']}: the KubeRay operator could not read on port 8265 of the head how the study ended "
            f"({_line(said)}). Its records are kept. Usually the operator's namespace is not in the NetworkPolicy "
            f"'operator' of the namespace {metadata['namespace']!r}: patch k8s/base/foundation/network-operator.yaml."
        )
    return None


def lost_head(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> str | None:
    """What follows from the loss of a running study's head; None if it has one."""
    status = job.get("status") or {}
    runs = status.get("jobDeploymentStatus") == "Running" and status.get("rayClusterName")
    if not runs or any(map(is_running_head, pods)):
        return None
    # The operator counts this loss later.
    if (status.get("failed") or 0) >= (job["spec"].get("backoffLimit") or 0):
        then = "KubeRay does not start it again; submit the study again to resume it"
    else:
        then = "KubeRay starts it again on a new cluster, where the study continues (1.5: after about 12 minutes)"
    return f"{job['metadata']['name']} has lost its head. {then}"


def queue_reason(job: Mapping[str, Any], workloads: Sequence[Mapping[str, Any]] | None) -> str:
    """Why a suspended RayJob waits in its queue, in Kueue's words; `workloads` is None if they cannot be listed."""
    metadata = job["metadata"]
    waits, uid = f"{metadata['name']} waits in the queue {metadata['labels'][QUEUE_LABEL]!r}", metadata.get("uid")
    own = [
        each
        for each in workloads or ()
        if any(owner["uid"] == uid for owner in each["metadata"].get("ownerReferences", ()))
    ]
    status = (own[-1].get("status") or {}) if own else {}
    expected = {"Evicted": "True", "QuotaReserved": "False"}
    said = [each for each in status.get("conditions", ()) if expected.get(each["type"]) == each["status"]]
    said.sort(key=lambda each: (str(each.get("lastTransitionTime")), each["type"] == "Evicted"))
    checks = [each for each in status.get("admissionChecks") or () if each.get("state") != "Ready"]
    if said:
        return f"{waits}: {_line(said[-1].get('message'))}"
    if checks:
        return f"{waits} for its admission check {checks[0]['name']!r}: {_line(checks[0].get('message'))}"
    if workloads is not None and not own and age(job) > STARTING_SECONDS:
        priority = metadata["labels"].get(PRIORITY_LABEL)
        missing = f" (is there the WorkloadPriorityClass {priority!r}?)" if priority else ""
        return f"{waits}, and Kueue has created no workload for it{missing}"
    return waits


def age(job: Mapping[str, Any]) -> float:
    """The seconds since a RayJob was created."""
    return (datetime.now(UTC) - _moment(job["metadata"].get("creationTimestamp"))).total_seconds()


def is_running_head(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is a head whose containers have not all ended."""
    return kind_of(pod) == "head" and pod["status"].get("phase") not in ("Succeeded", "Failed")


def is_running_worker(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is a worker that runs."""
    return kind_of(pod) == "worker" and pod["status"].get("phase") == "Running"


def kind_of(pod: Mapping[str, Any]) -> str | None:
    """Whether a pod is a `head` or a `worker` of a Ray cluster; None for others."""
    kind: str | None = (pod["metadata"].get("labels") or {}).get("ray.io/node-type")
    return kind


def _conditions(pod: Mapping[str, Any]) -> Iterator[str]:
    """Why a pod is not on a node, and why its containers do not start."""
    name = pod["metadata"]["name"]
    for each in pod["status"].get("conditions") or ():
        if (each["type"], each["status"]) == ("PodScheduled", "False"):
            yield f"pod {name} waits for a node: {_line(each.get('message') or each.get('reason'))}"
    for each, waiting in _waiting(pod):
        if waiting["reason"] not in _STARTING:
            said = _line(waiting.get("message"))
            yield f"the container {each['name']} of pod {name} does not start ({waiting['reason']}): {said}"


def _missing_image(pod: Mapping[str, Any], events: Sequence[Any]) -> str | None:
    """An image of a pod that no later attempt can pull; None if there is none."""
    for each, waiting in _waiting(pod):
        if waiting["reason"] not in _NEVER_PULLED | _NOT_PULLED:
            continue
        text = f'Failed to pull image "{each["image"]}"'
        own = [one for one in events if _about(one) == pod["metadata"]["name"] and text in (one.get("message") or "")]
        # Between two pulls, the message of older nodes does not say why the last one failed.
        said = [*(one["message"] for one in own[:1]), waiting.get("message") or ""]
        if (
            waiting["reason"] in _NEVER_PULLED
            or any(map(_ABSENT.search, said))
            or sum(map(_times, own)) >= _FAILED_PULLS
        ):
            return (
                f"The image {each['image']!r} of pod {pod['metadata']['name']} cannot be pulled: {_line(said[0])} "
                f"({waiting['reason']}). Push it to a registry that the nodes can reach, or name another image with "
                "--image."
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
    return f"{event.get('reason')}: {_line(event.get('message'))} ({kind} {_about(event)})"


def _about(event: Mapping[str, Any]) -> str:
    return (event.get("involvedObject") or {}).get("name") or ""


def _times(event: Mapping[str, Any]) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _last_seen(event: Mapping[str, Any]) -> datetime:
    """When an event was last seen; one without a time counts as new."""
    series = (event.get("series") or {}).get("lastObservedTime")
    when = series or event.get("lastTimestamp") or event.get("eventTime")
    return _moment(when) if when else datetime.max.replace(tzinfo=UTC)


def _moment(when: str | None) -> datetime:
    return datetime.fromisoformat(when) if when else datetime.min.replace(tzinfo=UTC)


def _line(message: str | None) -> str:
    return shorten(message or "", _MAX_CHARACTERS, placeholder=" …").rstrip(".")
