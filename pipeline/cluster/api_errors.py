"""Errors of the Kubernetes API server, translated into what the user can do about them."""

import ast
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from pipeline.errors import ClusterError

_HANDSHAKE = re.compile(
    r"Handshake status (?P<status>\d{3}) (?P<reason>.*?) -\+-\+- .* -\+-\+- "
    r"(?P<body>b(?P<quote>['\"]).*(?P=quote)|None)",
    re.DOTALL,
)
"""How the client reports an answer to a request for a connection: its headers, and its body as Python writes it."""

_NO_RIGHT = re.compile(r" cannot [a-z]+ resource\b")
"""A policy of the cluster that refuses an object says in its own words what cannot be."""

_POLICY = re.compile("denied the request|denied request|exceeded quota")
"""What webhooks, policies of Kubernetes itself and quotas say when they refuse an object."""


class ServerUnavailable(ClusterError):
    """The server could not answer now; the same request may succeed later."""


class Unauthorized(ClusterError):
    """The server does not accept the credentials; others, or the same ones renewed, may do."""


@contextmanager
def api_request(namespace: str, action: str) -> Iterator[None]:
    """A context for one request to the API server, which translates its errors."""
    try:
        yield
    except ApiException as error:
        status, reason, body = _answer(error)
        kind = (
            ServerUnavailable
            if is_busy(status)
            else Unauthorized
            if status == HTTPStatus.UNAUTHORIZED
            else ClusterError
        )
        said = _message(body) or reason
        raise kind(f"Kubernetes did not {action}: {_explained(status, said, body, namespace)}") from None
    except (HTTPError, OSError) as error:
        raise ServerUnavailable(
            f"Kubernetes cannot be reached: {error}. Is the cluster up, and is --context the right one?"
        ) from None


def is_busy(status: int) -> bool:
    """Whether the server could not answer now."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500


def _answer(error: ApiException) -> tuple[int, str, str]:
    """The status, its reason and the body of the server's answer."""
    reason, body = str(error.reason), str(error.body or "")
    if (handshake := _HANDSHAKE.search(reason)) is None:
        return error.status or 0, reason, body
    sent = ast.literal_eval(handshake["body"]) or b""
    return int(handshake["status"]), handshake["reason"], sent.decode(errors="replace")


def _explained(status: int, message: str, body: str, namespace: str) -> str:
    """The server's message, with what to do."""
    if status == 404 and "namespaces" in message:
        return f"there is no namespace {namespace!r}. `kubectl apply -k` with an overlay's foundation/ creates it."
    if status == 404 and "rayjobs" in message:
        return f"{message}. It was deleted. The study's records are kept, and a new submission resumes it."
    if status == 404 and "page not found" in body:
        return "it has no RayJobs. Install the KubeRay operator with its definitions (Helm chart kuberay-operator)."
    if status == 400 and "unknown field" in message:
        return f"{message}. The KubeRay definitions there are too old for the overlay: update them."
    if status == 401:
        return (
            f"{message}. It does not accept the credentials of the kubeconfig, which may have expired: renew them. "
            "Studies that were submitted continue."
        )
    if status == 403 and '"system:anonymous"' in message:
        return f"{message}. The kubeconfig has given no credentials. Log in, or choose another context with --context."
    if _POLICY.search(message):
        return f"{message.strip().rstrip('.')}. Change the overlay, or ask the owner of the namespace."
    if "failed calling webhook" in message:
        return f"{message}. A webhook of the cluster does not answer: ask the cluster's owner."
    if status == 403 and _NO_RIGHT.search(message):
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
