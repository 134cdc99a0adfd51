"""What goes wrong with a RayJob because of KubeRay's operator: it does not run."""

from collections.abc import Mapping
from typing import Any

from pipeline.cluster.kubernetes_cluster import SILENT_SECONDS
from pipeline.wording import duration

__all__ = ["absent_operator"]


def absent_operator(job: Mapping[str, Any], waited: float) -> str | None:
    """Why no operator may be processing a RayJob, with a remedy, as sentences; None if one does, or may still begin.

    Args:
        job: The RayJob.
        waited: Seconds for which it has been waiting.
    """
    if job.get("status") or job["spec"].get("suspend") or waited <= SILENT_SECONDS:
        return None
    metadata = job["metadata"]
    return (
        f"No operator has started the RayJob {metadata['name']!r} in {duration(waited)}: the KubeRay operator does not "
        f"run, or does not watch the namespace {metadata['namespace']!r}. `kubectl get deployment -A` shows whether it "
        "runs."
    )
