"""A client of a Kubernetes API server: the credentials it uses, and how long it waits for an answer."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from pipeline.errors import ClusterError

ANSWER_SECONDS = (10.0, 60.0)
"""To connect, and between two parts of an answer. A connection that is lost without a reset stays open forever."""
_IN_POD = "KUBERNETES_SERVICE_HOST"
_WEB_PAGE = (
    "the server answers with a web page instead of the Kubernetes API. Is --context the right one, and is its login "
    "still hold?"
)


def api_client(context: str | None) -> client.ApiClient:
    """A client with the credentials of the kubeconfig; in a pod without a kubeconfig, with those of its account."""
    settings = client.Configuration()
    # A kept connection may have been closed. Three repetitions, the default, make silence four times as long.
    settings.retries = 1
    try:
        if context is None and _IN_POD in os.environ and not _has_kubeconfig():
            config.load_incluster_config(client_configuration=settings)
        else:
            with _logged() as logged:
                config.load_kube_config(context=context, client_configuration=settings)
            _check_credentials(settings, logged)
        made = client.ApiClient(configuration=settings)
    # An HTTPError is that of a service which renews tokens.
    except (ConfigException, YAMLError, OSError, HTTPError) as error:
        raise _unusable(str(error)) from None
    except ImportError:
        raise _unusable("the kubeconfig names a SOCKS proxy, which needs a library: `pip install pysocks`") from None
    # The client does not check what it reads.
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise _unusable(f"the kubeconfig is not valid ({type(error).__name__}: {error})") from None
    send = made.rest_client.request

    def request(*arguments: Any, _request_timeout: Any = None, **options: Any) -> Any:
        answer = send(*arguments, _request_timeout=_request_timeout or ANSWER_SECONDS, **options)
        # A gateway that wants a new login leads to its own page, and the client takes any page for an answer.
        if "html" in (answer.getheader("Content-Type") or ""):
            raise ApiException(status=answer.status, reason=_WEB_PAGE)
        return answer

    # Each method of the API passes None, which means no limit.
    made.rest_client.request = request
    return made


@contextmanager
def _logged() -> Iterator[list[str]]:
    """The errors that the client logs instead of raising them: those of a program that gives no credentials."""
    messages: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        yield messages
    finally:
        logging.getLogger().removeHandler(handler)


def _check_credentials(settings: client.Configuration, logged: list[str]) -> None:
    """Check that a program has given credentials if one was to give them, and that a token can be sent.

    Without this, the client sends requests without credentials, and prints a token that it cannot send.
    """
    if logged and not settings.api_key and not settings.cert_file:
        # On a terminal, the program prints why, and the client fails as it looks for that text.
        said = "it has failed" if "NoneType" in logged[-1] else " ".join(logged[-1].split()).removeprefix("exec: ")
        raise ClusterError(
            "Kubernetes cannot be used: the program that the kubeconfig names gave no credentials: "
            f"{said.rstrip('.')}. Install it, or log in with it. Studies that were submitted continue."
        )
    # Files of tokens often end with a newline.
    settings.api_key = {name: token.strip() for name, token in settings.api_key.items()}
    if not all(token.isascii() and token.isprintable() for token in settings.api_key.values()):
        raise ConfigException("the token of the kubeconfig is none: it must be one line of ASCII characters")


def _has_kubeconfig() -> bool:
    places = config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)
    return any(os.path.exists(os.path.expanduser(place)) for place in places if place)  # noqa: PTH110, PTH111


def _unusable(reason: str) -> ClusterError:
    return ClusterError(
        f"Kubernetes cannot be used: {reason.rstrip('.')}. KUBECONFIG names the file, --context one of its contexts."
    )
