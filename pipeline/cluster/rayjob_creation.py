"""The request that creates a RayJob, whose answer may be lost: the same call then recognises the RayJob as its own."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from kubernetes.client import CustomObjectsApi
from kubernetes.client.exceptions import ApiException

from pipeline.cluster.creation_retries import create_with_retries, is_contended, is_taken, is_unanswered
from pipeline.cluster.rayjob_states import SUBMISSION_ANNOTATION

RAYJOBS = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}
"""RayJobs, as requests name them."""


def with_mark(job: Mapping[str, Any]) -> dict[str, Any]:
    """A RayJob with a mark by which the call that creates it recognises it."""
    metadata = job["metadata"]
    annotations = {**metadata.get("annotations", {}), SUBMISSION_ANNOTATION: uuid4().hex}
    return {**job, "metadata": {**metadata, "annotations": annotations}}


def create_rayjob(
    server: CustomObjectsApi, namespace: str, job: Mapping[str, Any], seconds: float, every: float
) -> dict[str, Any] | None:
    """Create a RayJob, for as long as the server is busy; it validates every field."""

    def create() -> Any:
        try:
            return server.create_namespaced_custom_object(
                **RAYJOBS, namespace=namespace, body=job, field_validation="Strict"
            )
        except ApiException as error:
            # The answer to an earlier request may have been lost.
            if is_taken(error) and (own := own_rayjob(server, namespace, job)) is not None:
                return own
            raise

    def is_transient(error: Exception) -> bool:
        return is_contended(error) or is_unanswered(error)

    try:
        created: dict[str, Any] = create_with_retries(create, is_transient, seconds, every)
    except ApiException as error:
        if is_taken(error):
            return None
        raise
    return created


def own_rayjob(server: CustomObjectsApi, namespace: str, job: Mapping[str, Any]) -> dict[str, Any] | None:
    """A RayJob that has the mark of another."""
    metadata = job["metadata"]
    try:
        found: dict[str, Any] = server.get_namespaced_custom_object(
            **RAYJOBS, namespace=namespace, name=metadata["name"]
        )
    except ApiException as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
    annotations = found.get("metadata", {}).get("annotations") or {}
    return found if annotations.get(SUBMISSION_ANNOTATION) == metadata["annotations"][SUBMISSION_ANNOTATION] else None
