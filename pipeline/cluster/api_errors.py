"""Errors of the Kubernetes API server, translated into what the user can do about them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from pipeline.errors import ClusterError

__all__ = ["ServerUnavailable", "api_request"]


class ServerUnavailable(ClusterError):
    """The server could not answer now; the same request may succeed later."""


@contextmanager
def api_request(namespace: str, action: str) -> Iterator[None]:
    """A context for one request to the API server, which translates its errors.

    Args:
        namespace: The namespace of the request.
        action: What is requested, as a verb phrase: "list pods".

    Raises:
        ServerUnavailable: The server is busy, or cannot be reached.
        ClusterError: The server refuses; the message has its reason and what to do.
    """
    try:
        yield
    except ApiException as error:
        busy = error.status == HTTPStatus.TOO_MANY_REQUESTS or (error.status or 0) >= 500
        kind = ServerUnavailable if busy else ClusterError
        raise kind(f"Kubernetes did not {action}: {_reason(error, namespace)}") from None
    except (HTTPError, OSError) as error:
        raise ServerUnavailable(
            f"Kubernetes cannot be reached: {error}. Is the cluster up, and is --context the right one?"
        ) from None


def _reason(error: ApiException, namespace: str) -> str:
    message = _message(str(error.body or "")) or str(error.reason)
    if error.status == 404 and "namespaces" in message:
        return f"there is no namespace {namespace!r}. `kubectl apply -k` with an overlay's foundation/ creates it."
    if error.status == 404 and "rayjobs" in message:
        return f"{message}. It was deleted. The study's records are kept, and a new submission resumes it."
    if error.status == 404 and "page not found" in str(error.body):
        return "it has no RayJobs. Install the KubeRay operator with its definitions (Helm chart kuberay-operator)."
    if error.status == 400 and "unknown field" in message:
        return f"{message}. The KubeRay definitions there are too old for the overlay: update them."
    if error.status == 401 or (error.status == 403 and " cannot " in message):
        return (
            f"{message}. Either there is no such namespace, or you do not have the role tunepipe-submitter of the "
            "overlay's foundation/, which has the required permissions."
        )
    return message


def _message(body: str) -> str:
    """The message of a Status, which a client may have cut or put into other text; empty if there is none."""
    match = re.search(r'"message":\s*("(?:[^"\\]|\\.)*")', body)
    try:
        return str(json.loads(match[1], strict=False)) if match else ""
    except ValueError:
        return ""
