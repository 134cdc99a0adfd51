"""The states of RayJobs, as the operator reports them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = ["STORAGE_ANNOTATION", "active_job", "ended_before", "has_ended", "state", "storage_of"]

STORAGE_ANNOTATION = "tunepipe/storage"
"""An annotation of a RayJob: the storage of its study. A study of the same name in another storage is another study."""

_ENDED = {"Complete", "Failed", "ValidationFailed"}


def state(job: Mapping[str, Any]) -> str:
    """A RayJob's state in KubeRay's words; empty until an operator has set one.

    Args:
        job: The RayJob.
    """
    return str((job.get("status") or {}).get("jobDeploymentStatus") or "")


def has_ended(job: Mapping[str, Any]) -> bool:
    """Whether a RayJob has ended, successfully or not.

    Args:
        job: The RayJob.
    """
    return state(job) in _ENDED


def active_job(jobs: Sequence[Mapping[str, Any]], storage: str | None = None) -> str | None:
    """The newest RayJob that has not ended.

    Args:
        jobs: RayJobs of a study, the oldest first.
        storage: Only those whose study is in this storage; None for all.

    Returns:
        Its name; None if all have ended.
    """
    active = [each for each in jobs if not has_ended(each) and storage in (None, storage_of(each))]
    return str(active[-1]["metadata"]["name"]) if active else None


def ended_before(job: Mapping[str, Any], moment: datetime) -> bool:
    """Whether a RayJob ended before a moment; False if the operator does not say when.

    Args:
        job: The RayJob.
        moment: The moment, with a time zone.
    """
    when = (job.get("status") or {}).get("endTime")
    return has_ended(job) and when is not None and datetime.fromisoformat(when) < moment


def storage_of(job: Mapping[str, Any]) -> str | None:
    """The storage of a RayJob's study; None if it does not say.

    Args:
        job: The RayJob.
    """
    storage: str | None = job["metadata"].get("annotations", {}).get(STORAGE_ANNOTATION)
    return storage
