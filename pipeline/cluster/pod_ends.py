"""Pods whose container ends again and again: KubeRay's operator deletes each of them and creates another one.

In clusters that autoscale, no container starts again in its pod, so that no pod is in CrashLoopBackOff.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.cluster.warning_events import times_seen

__all__ = ["DELETIONS", "repeated_end"]

DELETIONS = ("DeletedHeadPod", "DeletedWorkerPod")
"""Reasons of the events with which the operator says that it has deleted a pod that had ended."""

_KINDS = dict(zip(DELETIONS, ("head", "worker"), strict=True))
_TERMINATED = re.compile(r"ContainerStateTerminated\{ExitCode:(?P<code>[1-9]\d*),Signal:\d+,Reason:(?P<reason>\w*)")
_SEEN = 2
"""A single pod may have ended with its node."""


def repeated_end(job: Mapping[str, Any], events: Sequence[Any]) -> str | None:
    """Why pods of a RayJob's cluster do not stay, without a full stop; None if at most one has ended by itself.

    Args:
        job: The RayJob, none of whose workers runs.
        events: Events of its namespace, among them those with one of the reasons DELETIONS.
    """
    cluster, namespace = (job.get("status") or {}).get("rayClusterName"), job["metadata"]["namespace"]
    for reason, kind in _KINDS.items():
        own = [
            (event, ended)
            for event in events
            if event.involved_object.name == cluster
            and event.reason == reason
            and (ended := _TERMINATED.search(event.message or ""))
        ]
        if sum(times_seen(event) for event, _ in own) >= _SEEN:
            last = own[-1][1]
            return (
                f"the {kind} of {job['metadata']['name']} ends again and again, at last with exit code {last['code']} "
                f"({last['reason']}); `kubectl logs -n {namespace} -f -l "
                f"ray.io/cluster={cluster},ray.io/node-type={kind} -c ray-{kind}` shows the output of the present one"
            )
    return None
