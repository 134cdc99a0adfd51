"""The time for which a RayJob waits whose pods do not start, and how a user deletes it."""

from collections.abc import Mapping
from typing import Any

from pipeline.wording import rough_duration

__all__ = ["kept", "waiting_time"]


def waiting_time(job: Mapping[str, Any]) -> str:
    """The time for which a RayJob waits for its pods, to be read after "waits".

    Args:
        job: The RayJob.
    """
    spec = job["spec"]
    if seconds := spec.get("preRunningDeadlineSeconds"):
        tries = (spec.get("backoffLimit") or 0) + 1
        return f"for {rough_duration(seconds)}" + (f" in each of {tries} tries" if tries > 1 else "")
    if seconds := spec.get("activeDeadlineSeconds"):
        return f"for up to {rough_duration(seconds)}"
    return "without a limit"


def kept(job: Mapping[str, Any]) -> str:
    """The sentence about a RayJob that does not start: for how long it waits, and the command that deletes it.

    Args:
        job: The RayJob.
    """
    metadata = job["metadata"]
    return (
        f"The RayJob waits {waiting_time(job)}; `tunepipe stop {metadata['name']} --kubernetes --namespace "
        f"{metadata['namespace']}` deletes it."
    )
