"""RayJobs of a namespace as submissions, with the reason why one waits."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from pipeline.cluster.jobs_api import Submission
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.cluster.pod_diagnostics import unscheduled_reason
from pipeline.cluster.rayjob import STUDY_LABEL, study_label
from pipeline.cluster.rayjob_states import has_ended, state, storage_of
from pipeline.errors import ClusterError, JobNotFound

__all__ = ["rayjob_submissions"]


def rayjob_submissions(server: Kubernetes, name: str | None = None) -> list[Submission]:
    """The RayJobs of studies in a namespace, the oldest first.

    Args:
        server: The namespace.
        name: Only the RayJob of that name, or the newest one of the study of that name; None for all.

    Returns:
        The submissions. Their states are KubeRay's, in upper case; the message of one that waits in a queue or for a
        node says why.

    Raises:
        ClusterError: The server refuses.
        JobNotFound: There is none of that name; the message lists the existing ones.
    """
    jobs = server.jobs()
    if name is None:
        return [_submission(server, each) for each in jobs]
    matches = [each for each in jobs if each["metadata"]["name"] == name]
    matches = matches or [each for each in jobs if each["metadata"]["labels"][STUDY_LABEL] == study_label(name)]
    if not matches:
        existing = f"There are {', '.join(each['metadata']['name'] for each in jobs)}" if jobs else "There are none"
        raise JobNotFound(
            f"No RayJob in namespace {server.namespace!r} has the name {name!r} or a study of that name. {existing}. "
            "Ended ones are deleted after a while: `tunepipe submit` with the same storage resumes the study."
        )
    return [_submission(server, matches[-1])]


def _submission(server: Kubernetes, job: Mapping[str, Any]) -> Submission:
    metadata = job["metadata"]
    code = None
    if has_ended(job):
        # One that failed before its command ended has no code.
        with suppress(ClusterError):
            code = server.exit_code(metadata["name"])
    return Submission(
        name=metadata["name"],
        study=metadata["labels"][STUDY_LABEL],
        storage=storage_of(job) or "",
        state=state(job).upper() or "PENDING",
        message=_message(server, job),
        exit_code=code,
        started=datetime.fromisoformat(metadata["creationTimestamp"]),
    )


def _message(server: Kubernetes, job: Mapping[str, Any]) -> str:
    """Why a RayJob waits; else what the operator says of it, which is often nothing."""
    if has_ended(job):
        return " ".join(str((job.get("status") or {}).get("message") or "").split())
    if (queued := server.queued(job)) is not None:
        return queued
    reasons = (unscheduled_reason(pod) for pod in server.pods(job["metadata"]["name"], job))
    return next((each for each in reasons if each is not None), "")
