"""What goes wrong with a RayJob because of KubeRay's operator: it does not run, or cannot reach the study's head."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pipeline.cluster.kubernetes_cluster import SILENT_SECONDS
from pipeline.cluster.pod_diagnostics import is_running_head
from pipeline.cluster.rayjob_states import state
from pipeline.wording import duration

_READ_WITHIN = timedelta(seconds=10)
"""The end of the pod that submits makes an operator read the job's state immediately."""

_NOT_READ = re.compile("submitter finished at .* did not reach terminal state", re.DOTALL)
"""The operator's message 30 s after the end of the pod that submits (KubeRay 1.5 and 1.6). A lost head leads to it
as well, but then the operator has read before when the job began."""

_NEVER_READ = "JobStatusCheckTimeoutExceeded"
"""The operator's reason after five minutes, even for a job that still runs (KubeRay 1.7)."""


def absent_operator(job: Mapping[str, Any], waited: float) -> str | None:
    """Why no operator may be processing a RayJob, with a remedy, as sentences; None if one does, or may still begin."""
    if job.get("status") or job["spec"].get("suspend") or waited <= SILENT_SECONDS:
        return None
    metadata = job["metadata"]
    return (
        f"No operator has started the RayJob {metadata['name']!r} in {duration(waited)}: the KubeRay operator does not "
        f"run, or does not watch the namespace {metadata['namespace']!r}. `kubectl get deployment -A` shows whether it "
        "runs."
    )


def lost_head(job: Mapping[str, Any], pods: Sequence[Any]) -> str | None:
    """What follows from the loss of a running study's head, without a full stop; None if it has one."""
    runs = state(job) == "Running" and job["status"].get("rayClusterName")
    if not runs or any(map(is_running_head, pods)):
        return None
    lost = f"{job['metadata']['name']} has lost its head."
    # The operator counts this loss later.
    if (job["status"].get("failed") or 0) >= (job["spec"].get("backoffLimit") or 0):
        return f"{lost} KubeRay does not start it again; submit the study again to resume it"
    return (
        f"{lost} KubeRay starts it again on a new cluster, where the study continues; KubeRay 1.5 does so only after "
        "about 12 minutes"
    )


def unreachable_head(job: Mapping[str, Any], pods: Sequence[Any], now: datetime) -> str | None:
    """Why the operator does not notice a study's end, with a remedy, as sentences; None if it does or still may."""
    status, metadata = job.get("status") or {}, job["metadata"]
    if (status.get("rayJobInfo") or {}).get("startTime") is not None:
        return None
    unread = state(job) == "Running" and not status.get("jobStatus") and _has_submitted(metadata["name"], pods, now)
    if status.get("reason") == _NEVER_READ:
        happened = (
            "the KubeRay operator could not read the study's state from port 8265 of the head in five minutes, and has "
            "given up on the RayJob"
        )
    elif unread or _NOT_READ.search(status.get("message") or ""):
        happened = (
            "the study's command has ended, but the KubeRay operator could not read that from port 8265 of the head. "
            "After 30 s it counts the RayJob as failed and starts it again on a new cluster"
        )
    else:
        return None
    return (
        f"{metadata['name']}: {happened}; the study's records are kept. The reason is usually that the operator's "
        f"namespace is not in the list of the NetworkPolicy 'operator' of the namespace {metadata['namespace']!r}: "
        "patch k8s/base/foundation/network-operator.yaml in the overlay's foundation/, and apply it."
    )


def _has_submitted(name: str, pods: Sequence[Any], now: datetime) -> bool:
    """Whether the newest pod that submits has succeeded a while ago, which means that the study's command has ended."""
    submitters = [pod for pod in pods if (pod.metadata.labels or {}).get("job-name") == name]
    if not submitters or submitters[-1].status.phase != "Succeeded":
        return False
    ends = [each.state.terminated for each in submitters[-1].status.container_statuses or [] if each.state]
    return all(end is None or end.finished_at is None or end.finished_at <= now - _READ_WITHIN for end in ends)
