"""Requests about a study's queue of Kueue: whether it exists, and why a RayJob waits in it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from kubernetes.client import CustomObjectsApi

from pipeline.cluster.api_errors import api_request
from pipeline.cluster.kueue import LOCAL_QUEUES, QUEUE_LABEL, WORKLOADS, missing_queue, queue_of, queue_reason
from pipeline.errors import ClusterError


def check_queue(server: CustomObjectsApi, namespace: str, job: Mapping[str, Any]) -> None:
    """Check that the queue of a RayJob exists, if it has one."""
    if QUEUE_LABEL not in job["metadata"]["labels"]:
        return
    queues = _listed(server, namespace, LOCAL_QUEUES, "list Kueue's queues")
    if queues is not None and (missing := missing_queue(job, [each["metadata"]["name"] for each in queues])):
        raise ClusterError(missing)


def queued_reason(server: CustomObjectsApi, namespace: str, job: Mapping[str, Any]) -> str | None:
    """Why a RayJob waits in its queue; None if it does not."""
    if queue_of(job) is None:
        return None
    return queue_reason(job, _listed(server, namespace, WORKLOADS, "list Kueue's workloads"))


def _listed(
    server: CustomObjectsApi, namespace: str, kind: Mapping[str, str], action: str
) -> list[dict[str, Any]] | None:
    """Objects of a kind; None without the right to list them, and with another version of Kueue."""
    items: list[dict[str, Any]] | None = None
    with suppress(ClusterError), api_request(namespace, action):
        items = server.list_namespaced_custom_object(**kind, namespace=namespace)["items"]
    return items
