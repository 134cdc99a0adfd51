"""The server of a Ray dashboard: its requests and websockets, with its token, and errors that a user can act on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import requests
import websocket

from pipeline.cluster.ray_token import ray_token
from pipeline.errors import ClusterError, UsageError

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_GATEWAY = (502, 503, 504)
"""Answers of a gateway in front of a cluster that does not answer, such as an Ingress."""
SILENT_SECONDS = 30.0
"""How long a cluster may be unreachable before `follow` gives up."""

_Value = TypeVar("_Value", list[Any], dict[str, Any])


class Unreachable(ClusterError):
    """The cluster does not answer; a later request may succeed."""


class Dashboard:
    """The server of one cluster."""

    def __init__(self, address: str) -> None:
        parts = _parts(address)
        self.address = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._token = ray_token()
        self._session = requests.Session()
        self._session.auth = self._authenticate
        # A proxy does not reach this machine: neither a forwarded port, nor the dashboard of a head from its driver.
        self._proxies = {"no_proxy": parts.hostname} if parts.hostname in _LOOPBACK else None

    def messages(self, path: str) -> Iterator[str]:
        """The text of one websocket, until the server closes it."""
        url = f"{self.address.replace('http', 'ws', 1)}{path}"
        headers = [f"Authorization: Bearer {self._token}"] if self._token else []
        try:
            connection = websocket.create_connection(
                url, timeout=_CONNECT_SECONDS, header=headers, sslopt=self._certificates()
            )
        except (websocket.WebSocketException, OSError) as error:
            raise Unreachable(_reason(error)) from None
        try:
            connection.settimeout(SILENT_SECONDS)
            while text := connection.recv():
                yield text if isinstance(text, str) else text.decode(errors="replace")
        except (websocket.WebSocketException, OSError):
            return
        finally:
            connection.close()

    def _certificates(self) -> dict[str, str]:
        """The certificates that REQUESTS_CA_BUNDLE names, which websockets do not read by themselves."""
        verify = self._session.merge_environment_settings(self.address, {}, None, None, None)["verify"]
        if not isinstance(verify, str):
            return {}
        return {"ca_cert_path" if Path(verify).is_dir() else "ca_certs": verify}

    def read(self, path: str, kind: type[_Value]) -> _Value:
        """The JSON that the server has at a path."""
        return self.value(self.request("GET", path), kind)

    def value(self, answer: requests.Response, kind: type[_Value]) -> _Value:
        """The JSON of an answer."""
        try:
            value = answer.json()
        except requests.JSONDecodeError:
            value = None
        sound = isinstance(value, kind) and (kind is dict or all(isinstance(each, dict) for each in value))
        if not sound:
            raise self._other_server(answer)
        return value  # type: ignore[no-any-return]

    def request(
        self, method: str, path: str, *, allowed: tuple[int, ...] = (), timeout: float = _ANSWER_SECONDS, **body: Any
    ) -> requests.Response:
        """Send a request."""
        try:
            answer = self._session.request(
                method, self.address + path, timeout=(_CONNECT_SECONDS, timeout), allow_redirects=False,
                proxies=self._proxies, **body,
            )  # fmt: skip
        except requests.RequestException as error:
            raise Unreachable(
                f"{self.address} cannot be reached: {_reason(error)}. Is the cluster up, and is this the address of "
                "its dashboard? From outside Kubernetes, `kubectl port-forward service/NAME-head-svc 8265` is needed."
            ) from None
        if answer.ok or answer.status_code in allowed:
            return answer
        if answer.status_code in _GATEWAY:
            raise Unreachable(f"{self.address} cannot be reached: a gateway answers with HTTP {answer.status_code}.")
        raise self.refusal(answer)

    def refusal(self, answer: requests.Response) -> ClusterError:
        """The error for an answer that refuses a request."""
        message = " ".join(answer.text.split())[-300:]
        if answer.status_code == 401 and not self._token:
            return ClusterError(
                f"{self.address} requires a token, and none was given. Put it into RAY_AUTH_TOKEN, into a file that "
                "RAY_AUTH_TOKEN_PATH names, or into ~/.ray/auth_token."
            )
        if answer.status_code in (401, 403):
            return ClusterError(
                f"{self.address} refuses {'the token' if self._token else 'requests without a token'}: {message}. It "
                "must be the one that the cluster was started with (RAY_AUTH_TOKEN, "
                "RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token)."
            )
        if answer.status_code == 404 or 300 <= answer.status_code < 400:
            return self._other_server(answer)
        return ClusterError(f"{self.address} refused {answer.request.method} {answer.request.path_url}: {message}")

    def _other_server(self, answer: requests.Response) -> ClusterError:
        return ClusterError(
            f"{self.address} answers, but is not a Ray dashboard with the Jobs API (HTTP {answer.status_code}). "
            "Check the address; the head needs ray[default]."
        )

    def _authenticate(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As authentication rather than as a header: ~/.netrc would replace a header.
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _parts(address: str) -> SplitResult:
    """The parts of the address of a dashboard."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        # The port is read, and refused, only where it is asked for.
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if sound and parts.username is None:
        return parts
    if sound:
        raise UsageError(
            "The address of a Ray dashboard must have no user and no password, which tunepipe would print. Put "
            "the token into RAY_AUTH_TOKEN."
        )
    raise UsageError(
        f"{address!r} is not the address of a Ray dashboard, such as http://HOST:8265. An address of "
        "Ray itself (HOST:6379) is for `tunepipe run --address`."
    )


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that the user can act on."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    text = getattr(error, "strerror", None) or str(error)
    return str(text).rstrip(".")
