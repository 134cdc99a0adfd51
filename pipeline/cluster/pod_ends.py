"""Pods whose container ends repeatedly: KubeRay's operator deletes each of them and creates another one.

In clusters that autoscale, no container starts again in its pod, so that no pod is in CrashLoopBackOff.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from pipeline.cluster.pod_evictions import evicted_pods
from pipeline.cluster.warning_events import first_seen, last_seen, times_seen

DELETIONS = ("DeletedHeadPod", "DeletedWorkerPod")
"""Reasons of the events with which the operator says that it has deleted a pod that had ended."""

_KINDS = dict(zip(DELETIONS, ("head", "worker"), strict=True))
_TERMINATED = re.compile(r"ContainerStateTerminated\{ExitCode:(?P<code>[1-9]\d*),Signal:\d+,Reason:(?P<reason>\w*)")
_MOMENT = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})"
_POD = re.compile(r"Pod [^/;\s]+/(?P<name>[^;\s]+);")
_RAN = re.compile(rf"StartedAt:{_MOMENT}.*?FinishedAt:{_MOMENT}")

_SHORT_RUN = timedelta(minutes=2)
"""A container that ran for longer was not ended by its own mistake, but with its node, for instance a spot node."""

_WITHIN = timedelta(minutes=5)
"""Between two ends: the operator creates the next pod immediately, which may wait for its node and its image."""


def repeated_end(job: Mapping[str, Any], events: Sequence[Any]) -> str | None:
    """Why pods of a RayJob's cluster do not stay, without a full stop; None if no two ended close in time.

    Pods that had run for a while say nothing: their nodes may have been taken away. Nor do those that were evicted.
    """
    cluster, namespace = (job.get("status") or {}).get("rayClusterName"), job["metadata"]["namespace"]
    evicted = evicted_pods(job, events)
    for reason, kind in _KINDS.items():
        own = [
            (event, ended)
            for event in events
            if event.involved_object.name == cluster
            and event.reason == reason
            and (ended := _TERMINATED.search(event.message or ""))
            and _ran_briefly(event.message)
            and not ((pod := _POD.search(event.message)) and pod["name"] in evicted)
        ]
        if own and _repeats([event for event, _ in own]):
            last = own[-1][1]
            return (
                f"the {kind} of {job['metadata']['name']} ends repeatedly, last with exit code {last['code']} "
                f"({last['reason']}); `kubectl logs -n {namespace} -f -l "
                f"ray.io/cluster={cluster},ray.io/node-type={kind} -c ray-{kind}` shows the output of the current one"
            )
    return None


def _ran_briefly(message: str) -> bool:
    """Whether a container ran for a short time only, as the operator's message says; True if it does not say."""
    if (ran := _RAN.search(message)) is None:
        return True
    started, finished = (datetime.strptime(each, "%Y-%m-%d %H:%M:%S %z") for each in ran.groups())
    return finished - started <= _SHORT_RUN


def _repeats(events: Sequence[Any]) -> bool:
    """Whether two of these events, or one seen twice, are close in time; True if their times are unknown."""
    moments = []
    for event in events:
        times, last = times_seen(event), last_seen(event)
        if times > 1:
            first = first_seen(event)
            if last is None or first is None or (last - first) / (times - 1) <= _WITHIN:
                return True
        moments.append(last)
    known = sorted(each for each in moments if each is not None)
    if len(known) < len(moments):
        return len(moments) > 1
    return any(later - earlier <= _WITHIN for earlier, later in pairwise(known))
