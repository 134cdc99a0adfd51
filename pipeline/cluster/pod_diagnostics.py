"""Why a RayJob's pods do not run: transient reasons and permanent ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.cluster.claim_waits import claim_wait
from pipeline.cluster.image_pulls import image_problem
from pipeline.cluster.pod_ends import repeated_end
from pipeline.cluster.pod_evictions import evictions
from pipeline.cluster.pod_starts import unstarted_reason
from pipeline.cluster.refusals import refusal

_DISK = "ephemeral-storage"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why pods of a RayJob do not run."""

    fatal: str | None
    waits: tuple[str, ...]
    evicted: tuple[str, ...] = ()


def diagnose(job: Mapping[str, Any], pods: Sequence[Any], warnings: Sequence[Any]) -> Diagnosis:
    """Why pods of a RayJob do not run."""
    fatal = []
    waits = [
        reason for pod in pods if (reason := claim_wait(job, pod, warnings) or unscheduled_reason(pod)) is not None
    ]
    for problem in filter(None, (image_problem(pod, warnings) for pod in pods)):
        if problem.permanent:
            fatal.append(f"{problem.paragraph}, or name another image with --image.")
        else:
            waits.append(problem.clause)
    waits += [reason for pod in pods if (reason := unstarted_reason(pod, warnings))]
    evicted = evictions(job, warnings)
    # While one trains, others may have ended with their nodes.
    if not any(map(is_running_worker, pods)) and (again := repeated_end(job, warnings)):
        waits.append(again)
    if (refused := refusal(job, pods, warnings)) is not None:
        if refused.permanent:
            metadata = job["metadata"]
            fatal.append(
                f"The namespace {metadata['namespace']!r} refuses a pod of {metadata['name']!r}: {refused.text}. "
                "Change the overlay, or ask the owner of the namespace."
            )
        else:
            waits.append(refused.text)
    return Diagnosis(fatal[0] if fatal else None, tuple(waits), tuple(evicted))


def unscheduled_reason(pod: Any) -> str | None:
    """Why a pod is not on a node yet, without a full stop; None if it is."""
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            reason = (condition.message or condition.reason or "").rstrip(".")
            remedy = (
                f" ({_DISK} is disk: the overlay can request less of it)" if f"Insufficient {_DISK}" in reason else ""
            )
            return f"pod {pod.metadata.name} waits for a node: {reason}{remedy}"
    return None


def is_running_worker(pod: Any) -> bool:
    """Whether a pod is a worker that runs."""
    return pod.status.phase == "Running" and is_worker(pod)


def is_running_head(pod: Any) -> bool:
    """Whether a pod is the head of a Ray cluster whose containers have not all ended."""
    is_head = (pod.metadata.labels or {}).get("ray.io/node-type") == "head"
    return is_head and pod.status.phase not in ("Succeeded", "Failed")


def is_worker(pod: Any) -> bool:
    """Whether a pod is a worker, running or not."""
    return (pod.metadata.labels or {}).get("ray.io/node-type") == "worker"
