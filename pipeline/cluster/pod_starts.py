"""Pods that are on a node and do not start there: volumes that are not mounted, containers that end repeatedly."""

from collections.abc import Sequence
from typing import Any

from pipeline.cluster.warning_events import moment, times_seen

_NOT_STARTED = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_ENDS_AGAIN = "CrashLoopBackOff"
_NODE = {"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"}
"""Reasons of the events with which a node says why it cannot prepare a pod."""

_SEEN = 2
"""Nodes try again: what they have reported once has often passed."""


def unstarted_reason(pod: Any, warnings: Sequence[Any]) -> str | None:
    """Why a pod's containers do not start, without a full stop; None if they run, or nothing is known."""
    name = pod.metadata.name
    for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
        waiting = status.state.waiting if status.state else None
        if waiting is not None and waiting.reason in _NOT_STARTED:
            return (
                f"the container {status.name} of pod {name} does not start ({waiting.reason}): {_line(waiting.message)}"
            )
        if waiting is not None and waiting.reason == _ENDS_AGAIN:
            namespace = f"-n {pod.metadata.namespace} " if pod.metadata.namespace else ""
            return (
                f"the container {status.name} of pod {name} ends repeatedly; `kubectl logs {namespace}--previous "
                f"{name} -c {status.name}` shows its last output"
            )
    if pod.status.phase != "Pending":
        return None
    own = [event for event in warnings if event.involved_object.name == name and event.reason in _NODE]
    repeated = [event for event in own if times_seen(event) >= _SEEN]
    if not repeated:
        return None
    newest = max(repeated, key=moment)
    return f"the node of pod {name} cannot prepare it ({newest.reason}): {_line(newest.message)}"


def _line(message: str | None) -> str:
    return " ".join((message or "").split()).rstrip(".")
