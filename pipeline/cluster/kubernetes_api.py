"""The one client of a Kubernetes API server: its login, its requests, and errors that a user can act on.

Objects are dictionaries with Kubernetes' own names.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from pipeline.errors import ClusterError

ANSWER_SECONDS = (10.0, 60.0)
"""To connect, and between two parts of an answer. A connection that is lost without a reset stays open forever."""

_SAID = re.compile(r'"message":\s*("(?:[^"\\]|\\.)*")')
"""The message of a Status, which a client may have cut or put into other text."""


class KubernetesError(ClusterError):
    """A request that Kubernetes refuses, with the status of HTTP; 0 if it cannot be reached."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (0, 429) or self.status >= 500


class Kubernetes:
    """One namespace of one Kubernetes cluster."""

    def __init__(self, context: str | None, namespace: str) -> None:
        self._context, self.namespace = context, namespace
        self.where = f"in namespace {namespace!r}"
        api = api_client(context)
        self.objects, self.core = client.CustomObjectsApi(api), client.CoreV1Api(api)

    def ask(self, action: str, request: Callable[..., Any], **fields: Any) -> Any:
        """The object that the server answers to a request about the namespace."""
        try:
            return json.loads(self.read(action, request, **fields))
        except ValueError:
            # A gateway that wants a new login leads to its own page.
            raise ClusterError(f"Kubernetes did not {action}: the answer is not JSON. Is the login valid?") from None

    def read(self, action: str, request: Callable[..., Any], **fields: Any) -> bytes:
        """The bytes that the server answers to a request about the namespace."""
        with translated_errors(action):
            settings = {"_preload_content": False, "_request_timeout": ANSWER_SECONDS}
            return bytes(request(namespace=self.namespace, **fields, **settings).data)


@contextmanager
def translated_errors(action: str) -> Iterator[None]:
    """Errors of one request, with the server's message and what to do."""
    try:
        yield
    except ApiException as error:
        # In a request for a connection, the client puts status, headers and body of a refusal into the reason.
        reason, body = str(error.reason).partition(" -+-+-")[0], str(error.body or "")
        found = _SAID.search(body)
        said = " ".join((str(json.loads(found[1], strict=False)) if found else reason).split()).rstrip(".")
        if error.status == 404 and "page not found" in said + body:
            said += ". Install the KubeRay operator with its definitions (Helm chart kuberay-operator)"
        raise KubernetesError(f"Kubernetes did not {action}: {said}.", error.status or 400) from None
    except (HTTPError, OSError) as error:
        raise KubernetesError(f"Kubernetes cannot be reached: {error}. Is --context the right one?", 0) from None


def api_client(context: str | None) -> client.ApiClient:
    """A client with the credentials of the kubeconfig."""
    settings = client.Configuration()
    # A kept connection may have been closed. Three repetitions, the default, make silence four times as long.
    settings.retries = 1
    try:
        config.load_kube_config(context=context, client_configuration=settings)
        return client.ApiClient(configuration=settings)
    # The client does not check what it reads, renews tokens at services, and imports a library for a SOCKS proxy.
    except Exception as error:
        raise ClusterError(
            f"Kubernetes cannot be used: {str(error).rstrip('.') or type(error).__name__}. KUBECONFIG names the file, "
            "--context one of its contexts."
        ) from None
