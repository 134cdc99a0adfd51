"""Kueue, which admits a study to a cluster that several teams share: why a RayJob waits in its queue."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"

WORKLOADS = {"group": "kueue.x-k8s.io", "version": "v1beta2", "plural": "workloads"}
"""Kueue's Workloads of RayJobs, with the conditions that say why they wait."""

LOCAL_QUEUES = {"group": "kueue.x-k8s.io", "version": "v1beta2", "plural": "localqueues"}
"""Kueue's LocalQueues: the queues of a namespace."""

_SOON_SECONDS = 45.0
"""Within this time Kueue makes a Workload of a RayJob."""


def missing_queue(job: Mapping[str, Any], queues: Sequence[str]) -> str | None:
    """Why a RayJob would wait forever for its queue, with what to do, as sentences; None if there is the queue."""
    metadata = job["metadata"]
    queue = (metadata.get("labels") or {}).get(QUEUE_LABEL)
    if queue is None or queue in queues:
        return None
    there = f"Available: {', '.join(sorted(queues))}; --queue names one." if queues else "There are none."
    where = f"in the namespace {metadata['namespace']!r}"
    return f"There is no LocalQueue {queue!r} {where}. {there} The component kueue/queue creates one."


def queue_of(job: Mapping[str, Any]) -> str | None:
    """The queue that a RayJob waits in; None if it is not suspended, or not by Kueue."""
    queue: str | None = (job["metadata"].get("labels") or {}).get(QUEUE_LABEL)
    return queue if job["spec"].get("suspend") else None


def queue_reason(
    job: Mapping[str, Any], workloads: Sequence[Mapping[str, Any]] | None, *, now: datetime | None = None
) -> str:
    """Why a RayJob waits in its queue, in Kueue's words."""
    name, queue = job["metadata"]["name"], queue_of(job)
    uid = job["metadata"].get("uid")
    own = [
        each
        for each in workloads or ()
        if any(owner["uid"] == uid for owner in each["metadata"].get("ownerReferences", []))
    ]
    status = (own[-1].get("status") or {}) if own else {}
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    for kind, expected, text in (
        ("Evicted", "True", "was evicted from the queue {queue!r} and waits in it again: {message}"),
        ("QuotaReserved", "False", "waits in the queue {queue!r}: {message}"),
    ):
        condition = conditions.get(kind)
        if (
            condition is not None
            and condition["status"] == expected
            and conditions.get("Admitted", {}).get("status") != "True"
        ):
            return f"{name} {text.format(queue=queue, message=' '.join(condition.get('message', '').split()))}"
    checks = [each for each in status.get("admissionChecks") or () if each.get("state") != "Ready"]
    if checks and conditions.get("Admitted", {}).get("status") != "True":
        said = " ".join((checks[0].get("message") or "").split()) or checks[0].get("state")
        return (
            f"{name} has quota in the queue {queue!r} and waits for its admission check {checks[0]['name']!r}: {said}"
        )
    if workloads is not None and not own and _age(job, now or datetime.now(UTC)) > _SOON_SECONDS:
        priority = job["metadata"]["labels"].get(PRIORITY_LABEL)
        needed = f", and creates none without the WorkloadPriorityClass {priority!r}" if priority else ""
        return (
            f"{name} waits in the queue {queue!r}, and Kueue has created no workload for it{needed}. `kubectl get "
            "workloadpriorityclasses` lists those that exist, and the component kueue/priorities creates tunepipe's"
        )
    return f"{name} waits in the queue {queue!r}"


def _age(job: Mapping[str, Any], now: datetime) -> float:
    created = job["metadata"].get("creationTimestamp")
    return (now - datetime.fromisoformat(created)).total_seconds() if created else 0.0
