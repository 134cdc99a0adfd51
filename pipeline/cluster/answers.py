"""What Kubernetes' API server answers when it does not do what it was asked for, in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from pipeline.errors import ClusterError

__all__ = ["Unanswered", "asked"]


class Unanswered(ClusterError):
    """The server could not answer now."""


@contextmanager
def asked(namespace: str, to: str) -> Iterator[None]:
    """Ask the server for something.

    Args:
        namespace: Where.
        to: What, as it follows "does not let me".

    Raises:
        Unanswered: It is busy, or cannot be reached: asked again, it may answer.
        ClusterError: It refuses; with its reason, and what to do.
    """
    try:
        yield
    except ApiException as error:
        busy = error.status == HTTPStatus.TOO_MANY_REQUESTS or (error.status or 0) >= 500
        kind = Unanswered if busy else ClusterError
        raise kind(f"Kubernetes does not let me {to}: {_why(error, namespace)}") from None
    except (HTTPError, OSError) as error:
        raise Unanswered(
            f"Kubernetes cannot be reached: {error}. Is the cluster up, and is it the right --context?"
        ) from None


def _why(error: ApiException, namespace: str) -> str:
    said = re.search(r'"message":\s*"((?:[^"\\]|\\.)*)"', str(error.body or ""))
    text = said[1].replace('\\"', '"') if said else str(error.reason)
    if error.status == 404 and "namespaces" in text:
        return f"there is no namespace {namespace!r}. `kubectl apply -k` with an overlay's foundation/ makes it."
    if error.status == 404 and "rayjobs" in text:
        return f"{text}. Somebody has deleted it; what was recorded is there, and submitted again, the study goes on."
    if error.status == 404 and "page not found" in str(error.body):
        return "it knows no RayJob. Install the KubeRay operator with its definitions (Helm chart kuberay-operator)."
    if error.status == 400 and "unknown field" in text:
        return f"{text}. KubeRay's definitions there are too old for the overlay: update them."
    if error.status == 401 or (error.status == 403 and " cannot " in text):
        return (
            f"{text}. Either there is no such namespace, or you lack the role tunepipe-submitter of the overlay's "
            "foundation/, which allows what is needed."
        )
    return text
