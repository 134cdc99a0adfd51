"""The states of RayJobs, as the operator reports them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.cluster.storage_name import without_slash

STORAGE_ANNOTATION = "tunepipe/storage"
"""An annotation of a RayJob: the storage of its study. A study of the same name in another storage is another study."""

STUDY_ANNOTATION = "tunepipe/study-name"
"""An annotation of a RayJob: the name of its study, which a label may be too short for."""

STUDY_LABEL = "tunepipe/study"
"""A label of a RayJob: the name of its study as a Kubernetes name."""

SUBMISSION_ANNOTATION = "tunepipe/submission"
"""An annotation of a RayJob: a random number of the call that has created it, by which the call recognises it."""

SUBMITTER_ANNOTATION = "tunepipe/submitted-by"
"""An annotation of a RayJob: the user and the machine that have submitted it."""

_REFUSED = "ValidationFailed"
_DEFAULT_CONTAINER = "ray-job-submitter"
"""KubeRay's name for the container that submits, where a RayJob has no template for it."""
_ENDED = {"Complete", "Failed", _REFUSED}


def state(job: Mapping[str, Any]) -> str:
    """A RayJob's state in KubeRay's words; empty until an operator has set one."""
    return str((job.get("status") or {}).get("jobDeploymentStatus") or "")


def has_ended(job: Mapping[str, Any]) -> bool:
    """Whether a RayJob has ended, successfully or not."""
    return state(job) in _ENDED


def active_job(jobs: Sequence[Mapping[str, Any]], storage: str | None = None) -> Mapping[str, Any] | None:
    """The newest RayJob that has not ended."""
    active = [each for each in jobs if not has_ended(each) and storage in (None, storage_of(each))]
    return active[-1] if active else None


def ended_before(job: Mapping[str, Any], moment: datetime) -> bool:
    """Whether a RayJob ended before a moment; one that the operator refused ended as it was created."""
    when = (job.get("status") or {}).get("endTime")
    if when is None and state(job) == _REFUSED:
        when = job["metadata"].get("creationTimestamp")
    return has_ended(job) and when is not None and datetime.fromisoformat(when) < moment


def storage_of(job: Mapping[str, Any]) -> str | None:
    """The storage of a RayJob's study; None if it does not say."""
    storage: str | None = job["metadata"].get("annotations", {}).get(STORAGE_ANNOTATION)
    return None if storage is None else without_slash(storage)


def study_of(job: Mapping[str, Any]) -> str:
    """The name of a RayJob's study."""
    metadata = job["metadata"]
    named = metadata.get("annotations", {}).get(STUDY_ANNOTATION) or metadata.get("labels", {}).get(STUDY_LABEL)
    return str(named or metadata["name"])


def submitter_of(job: Mapping[str, Any]) -> str | None:
    """The user and the machine that have submitted a RayJob; None if it does not say."""
    submitter: str | None = job["metadata"].get("annotations", {}).get(SUBMITTER_ANNOTATION)
    return submitter


def submitting_container(job: Mapping[str, Any]) -> str:
    """The name of the container with the driver's output, in the pod that submits: others may be added to that pod."""
    template = (job["spec"].get("submitterPodTemplate") or {}).get("spec") or {}
    containers = template.get("containers") or [{}]
    return str(containers[0].get("name") or _DEFAULT_CONTAINER)
