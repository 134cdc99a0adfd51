"""How RayJobs stand, as the operator has left them."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["STORAGE_ANNOTATION", "at_work", "has_ended", "state"]

STORAGE_ANNOTATION = "tunepipe/storage"
"""Of a RayJob: where its study lies. A study of the same name elsewhere is another one."""

_ENDED = {"Complete", "Failed", "ValidationFailed"}


def state(job: Mapping[str, Any]) -> str:
    """In KubeRay's words; empty as long as no operator has taken it up."""
    return str((job.get("status") or {}).get("jobDeploymentStatus") or "")


def has_ended(job: Mapping[str, Any]) -> bool:
    """Whether nothing more comes of it."""
    return state(job) in _ENDED


def at_work(jobs: Sequence[Mapping[str, Any]], storage: str | None = None) -> str | None:
    """The newest that has not ended.

    Args:
        jobs: RayJobs of a study, the oldest first.
        storage: Only those whose study lies there.

    Returns:
        Its name; None where all have ended.
    """
    going = [each for each in jobs if not has_ended(each) and storage in (None, _storage(each))]
    return str(going[-1]["metadata"]["name"]) if going else None


def _storage(job: Mapping[str, Any]) -> str | None:
    found: str | None = job["metadata"].get("annotations", {}).get(STORAGE_ANNOTATION)
    return found
