"""The end of a study in Kubernetes on a user's request: its RayJob is deleted, and its driver has ended."""

import time
from collections.abc import Mapping
from typing import Any

from pipeline.cluster.api_errors import ServerUnavailable
from pipeline.cluster.kubernetes_cluster import POLL_SECONDS, SILENT_SECONDS, Kubernetes
from pipeline.cluster.pod_diagnostics import is_running_head
from pipeline.errors import ClusterError


def stop_rayjob(server: Kubernetes, name: str) -> None:
    """Delete a RayJob, and wait for its driver: until it ends, its session counts as running and blocks
    the next one.
    """
    job = server.job(name)
    grace = max((each.spec.termination_grace_period_seconds or 0 for each in _heads(server, name, job)), default=0)
    server.stop(name)
    # The operator deletes the cluster after the RayJob; then the grace period begins.
    seconds = grace + SILENT_SECONDS
    end = time.monotonic() + seconds
    while (pod := _head_left(server, name, job)) is not None:
        if time.monotonic() > end:
            raise ClusterError(
                f"The RayJob {name!r} is deleted, but the pod {pod} of its driver still exists {seconds:.0f} s later: "
                f"its node may be unreachable. `kubectl describe pod -n {server.namespace} {pod}` says more. Once the "
                "pod has ended, `tunepipe submit` continues the study."
            )
        time.sleep(POLL_SECONDS)


def _head_left(server: Kubernetes, name: str, job: Mapping[str, Any]) -> str | None:
    """The name of a pod of the head that has not ended, or a word for it while the server is busy; None if all have."""
    try:
        heads = _heads(server, name, job)
    except ServerUnavailable:
        return "of the head"
    return str(heads[0].metadata.name) if heads else None


def _heads(server: Kubernetes, name: str, job: Mapping[str, Any]) -> list[Any]:
    return [each for each in server.pods(name, job) if is_running_head(each)]
