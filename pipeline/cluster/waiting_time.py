"""The time for which a RayJob waits whose pods do not start, and how a user deletes it."""

from collections.abc import Mapping
from typing import Any

from pipeline.cluster.rayjob_states import state
from pipeline.wording import rough_duration


def waiting_time(job: Mapping[str, Any]) -> str:
    """The time for which a RayJob waits for its pods, to be read after "waits"."""
    spec = job["spec"]
    deadline, start = spec.get("activeDeadlineSeconds"), spec.get("preRunningDeadlineSeconds")
    whole = f"for up to {rough_duration(deadline)}" if deadline else "without a limit"
    if not start or state(job) == "Running":
        return whole
    tries = (spec.get("backoffLimit") or 0) + 1
    begins = f"for {rough_duration(start)}" + (f" in each of {tries} tries" if tries > 1 else "")
    # Then the RayJob is Running as soon as its head runs, and the deadline of its start is past.
    if (spec.get("rayClusterSpec") or {}).get("enableInTreeAutoscaling"):
        return f"{begins} for its head, and then {whole} for workers"
    return begins


def kept(job: Mapping[str, Any], where: str) -> str:
    """The sentence about a RayJob that does not start: for how long it waits, and the command that deletes it."""
    return f"The RayJob waits {waiting_time(job)}; `tunepipe stop {job['metadata']['name']} {where}` deletes it."
