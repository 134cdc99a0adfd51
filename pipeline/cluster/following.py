"""The output of a RayJob's driver, now or followed to its end, and why pods wait or cannot start."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.cluster.api_errors import ServerUnavailable, Unauthorized
from pipeline.cluster.kubernetes_cluster import POLL_SECONDS, SILENT_SECONDS, Kubernetes
from pipeline.cluster.log_cursor import LogCursor
from pipeline.cluster.operator_diagnostics import absent_operator, lost_head, unreachable_head
from pipeline.cluster.pod_diagnostics import Diagnosis, diagnose, is_running_worker, is_worker, unscheduled_reason
from pipeline.cluster.rayjob_states import has_ended, state, submitting_container
from pipeline.cluster.waiting_time import kept
from pipeline.errors import ClusterError

_STARTED = ("Running", "Succeeded", "Failed")
"""Phases of a pod that may have a log."""

_OVERLAP_SECONDS = 10
"""A log is read again from this long before the last reading: a line appears in it after its time was taken."""


class NeverStarts(ClusterError):
    """A RayJob can never start: there is no image, or the namespace forbids its pods."""


@dataclass(slots=True)
class _Progress:
    """The observed state of a RayJob; times are of the monotonic clock."""

    started: float
    ended: bool = False
    had_workers: bool = False
    waiting_since: float | None = None
    no_pod_since: float | None = None
    without_head: bool = False
    messages: set[str] = field(default_factory=set)
    logs: dict[str, "_Log"] = field(default_factory=dict)


@dataclass(slots=True)
class _Log:
    """How far the log of a pod was read, and when, by the monotonic clock."""

    cursor: LogCursor = field(default_factory=LogCursor)
    read: float | None = None
    ended: bool = False


def output(server: Kubernetes, job: Mapping[str, Any]) -> str:
    """What a study's driver has printed so far, in all attempts whose pods are still there."""
    return "".join(_new_output(server, job, {}))


def follow(server: Kubernetes, name: str, *, wait_pods: float) -> Iterator[str]:
    """The output of a study's driver, and messages about pods that wait, until the RayJob has ended.

    While some workers train, the reason why others do not start is only a message.
    """
    seen, unavailable_since, renewed = _Progress(time.monotonic()), None, False
    while True:
        try:
            yield from _poll(server, name, seen, wait_pods)
        except Unauthorized:
            # Studies run for longer than many credentials are valid, which other programs may have renewed.
            if renewed:
                raise
            renewed = True
            server.connect()
        except ServerUnavailable:
            # A server that is busy, or is being updated, answers again later.
            unavailable_since = unavailable_since or time.monotonic()
            if time.monotonic() - unavailable_since > SILENT_SECONDS:
                raise
        else:
            unavailable_since, renewed = None, False
            if seen.ended:
                return
        time.sleep(POLL_SECONDS)


def _poll(server: Kubernetes, name: str, seen: _Progress, wait_pods: float) -> Iterator[str]:
    """What is new about a RayJob, as texts to print."""
    job = server.job(name)
    if (absent := absent_operator(job, time.monotonic() - seen.started)) is not None:
        raise ClusterError(absent)
    # Old events and pods of a RayJob that has ended say nothing about its present state.
    messages = _ending(job) if has_ended(job) else _situation(server, job, seen, wait_pods)
    for message in messages:
        if message not in seen.messages:
            seen.messages.add(message)
            yield f"[kubernetes] {message}\n"
    yield from _new_output(server, job, seen.logs)
    seen.ended = has_ended(job)


def _ending(job: Mapping[str, Any]) -> list[str]:
    """The state of a RayJob that has ended, and why the operator did not read that of its study."""
    unreachable = unreachable_head(job, (), datetime.now(UTC))
    return [*([unreachable] if unreachable is not None else []), f"{job['metadata']['name']}: {state(job)}"]


def _situation(server: Kubernetes, job: Mapping[str, Any], seen: _Progress, wait_pods: float) -> list[str]:
    """What a RayJob that has not ended waits for, or its state."""
    name = job["metadata"]["name"]
    pods = server.pods(name, job)
    has_workers = any(map(is_running_worker, pods))
    seen.had_workers |= has_workers
    diagnosis = diagnose(job, pods, server.warnings(ended_pods=not has_workers))
    if diagnosis.fatal is not None and not seen.had_workers:
        raise NeverStarts(diagnosis.fatal)
    # After the first worker, an event of a quota may be of pods that are no longer requested.
    waits = [each for pod in pods if (each := unscheduled_reason(pod))] if seen.had_workers else _waits(diagnosis)
    # While trials train on other nodes, other pods may start at any time.
    seen.waiting_since = (seen.waiting_since or time.monotonic()) if waits and not has_workers else None
    if seen.waiting_since is not None and time.monotonic() - seen.waiting_since > wait_pods:
        raise ClusterError(
            f"Pods of {name!r} could not start for {wait_pods:.0f} s: {waits[0]}. {kept(job, server.options)} "
            "--wait-pods waits longer; --overlay and --gpus-per-trial request other nodes."
        )
    messages = [*diagnosis.waits, *([diagnosis.fatal] if diagnosis.fatal is not None else [])]
    waiting = server.queued(job)
    # A pod that the namespace does not create was requested.
    if not messages and waiting is None:
        waiting = _without_workers(server, job, pods, seen)
    if (unreachable := unreachable_head(job, pods, datetime.now(UTC))) is not None:
        messages.append(unreachable)
    # Twice in succession: the cluster of a study that has just ended may be deleted between two requests.
    lost, seen_lost = lost_head(job, pods), seen.without_head
    seen.without_head = lost is not None
    if lost is not None and seen_lost:
        messages.append(lost)
    return [*messages, *diagnosis.evicted, waiting or f"{name}: {state(job) or 'waits for the operator'}"]


def _waits(diagnosis: Diagnosis) -> list[str]:
    """What a study without a worker so far waits for: also workers that nodes evict before they train."""
    return [*diagnosis.waits, *reversed(diagnosis.evicted)]


def _new_output(server: Kubernetes, job: Mapping[str, Any], logs: dict[str, _Log]) -> Iterator[str]:
    """What is new in the logs of the pods that submit, the oldest first; each retry has its own pod."""
    container = submitting_container(job)
    for pod in server.pods(job["metadata"]["name"], {}):
        log = logs.setdefault(pod.metadata.name, _Log())
        if pod.status.phase not in _STARTED or log.ended:
            continue
        # The pod may run on for a moment: what may begin a traceback would never be printed.
        now, ended = time.monotonic(), has_ended(job) or _has_ended(pod, container)
        seconds = None if log.read is None else math.ceil(now - log.read) + _OVERLAP_SECONDS
        new = log.cursor.advance(server.log(pod, container, seconds=seconds, times=True), ended=ended)
        log.read, log.ended = now, ended
        if new:
            yield new


def _has_ended(pod: Any, container: str) -> bool:
    """Whether a container has ended; its pod runs on with a container that a service mesh has added."""
    states = [each.state for each in pod.status.container_statuses or [] if each.name == container and each.state]
    return pod.status.phase != "Running" or any(state.terminated is not None for state in states)


def _without_workers(server: Kubernetes, job: Mapping[str, Any], pods: Sequence[Any], seen: _Progress) -> str | None:
    """A warning that a study has run for a while without a request for a worker's pod; None if there is one."""
    if seen.had_workers or state(job) != "Running" or any(map(is_worker, pods)):
        seen.no_pod_since = None
        return None
    seen.no_pod_since = seen.no_pod_since or time.monotonic()
    if time.monotonic() - seen.no_pod_since < SILENT_SECONDS:
        return None
    heads = [pod.metadata.name for pod in pods if (pod.metadata.labels or {}).get("ray.io/node-type") == "head"]
    head = f"-n {server.namespace} {heads[0] if heads else 'HEAD'} -c"
    return (
        f"{job['metadata']['name']} runs without a worker: no pod was requested within {SILENT_SECONDS:.0f} s. No "
        f"group offers what the trials request, which `kubectl exec {head} ray-head -- ray status` lists, or Ray's "
        f"autoscaler cannot request pods: `kubectl logs {head} autoscaler` shows its errors"
    )
