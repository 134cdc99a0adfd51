"""Requests to the server of a dashboard, with a server on loopback that answers as Ray's does."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.cluster.dashboard import Dashboard, Unreachable
from pipeline.errors import ClusterError, UsageError
from tests.unit.cluster.json_handler import JsonHandler, running

JOBS = "/api/jobs/"


def test_an_unreachable_cluster_is_reported():
    """A cluster that refuses the connection and an address of another protocol are reported with different errors."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ClusterError, match=rf"127.0.0.1:{port} cannot be reached: Connection refused.*port-forward"):
        Dashboard(f"127.0.0.1:{port}").read(JOBS, list)
    with pytest.raises(UsageError, match="http://HOST:8265"):
        Dashboard("ray://host:10001")


@pytest.mark.parametrize("address", ["http://[::1", "http://host:port", "http://host:99999", "http://:8265", ""])
def test_an_address_that_no_server_has_is_refused(address):
    """An address without a host, with half an IPv6 address or with an impossible port is refused."""
    with pytest.raises(UsageError, match="is not the address of a Ray dashboard"):
        Dashboard(address)


def test_an_address_with_a_password_is_refused_without_printing_it():
    """An address with a user or a password, which messages would print, is refused."""
    with pytest.raises(UsageError, match="must have no user and no password") as caught:
        Dashboard("https://ana:secret@host")
    assert "secret" not in str(caught.value)


class Other(ThreadingHTTPServer):
    """Another server: answers each path in the same way, and keeps the paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _OtherHandler)
        self.body: object = "<html>welcome</html>"
        self.status = 200
        self.paths: list[str] = []


class _OtherHandler(JsonHandler, BaseHTTPRequestHandler):
    server: Other

    def do_GET(self) -> None:
        """The answer."""
        self.server.paths.append(self.path)
        self.answer(self.server.status, self.server.body)


@pytest.fixture
def other() -> Iterator[Other]:
    """A server that is not Ray's."""
    server = Other()
    with running(server):
        yield server


@pytest.mark.parametrize("body", ["<html>welcome</html>", {"jobs": []}, [1], "null"])
def test_a_server_that_is_not_rays_is_reported(other, body):
    """A server that answers with a page, or with JSON of another kind, is not taken for a dashboard."""
    other.body = body
    with pytest.raises(ClusterError, match=r"answers, but is not a Ray dashboard .*\(HTTP 200\)"):
        Dashboard(f"http://127.0.0.1:{other.server_port}").read(JOBS, list)


def test_the_path_of_an_address_is_kept(other):
    """A dashboard below a path of a gateway is reached there, and the place within a browser's page is left out."""
    other.body = []
    for path in ("/ray", "/ray/", "/ray/#/jobs"):
        assert Dashboard(f"http://127.0.0.1:{other.server_port}{path}").read(JOBS, list) == []
    assert other.paths == ["/ray/api/jobs/"] * 3


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_without_its_server_is_no_refusal(other, status):
    """The answer of a gateway in front of a cluster that does not answer may change later."""
    other.status = status
    with pytest.raises(Unreachable, match=rf"a gateway answers with HTTP {status}"):
        Dashboard(f"http://127.0.0.1:{other.server_port}").read(JOBS, list)


def test_a_gateway_that_wants_a_login_is_no_missing_token(other, monkeypatch):
    """An answer 401 to a request with a token does not say that there was none."""
    other.status = 401
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t")
    with pytest.raises(ClusterError, match="refuses the token"):
        Dashboard(f"http://127.0.0.1:{other.server_port}").read(JOBS, list)


@pytest.mark.parametrize(("bundle", "option"), [("ca.pem", "ca_certs"), ("", "ca_cert_path"), (None, None)])
def test_websockets_use_the_certificates_of_requests(monkeypatch, tmp_path, bundle, option):
    """A websocket trusts the certificates that REQUESTS_CA_BUNDLE names, a file or a folder."""
    seen = {}

    def create_connection(url, **options):
        seen.update(options, url=url)
        raise OSError("closed")

    monkeypatch.setattr("websocket.create_connection", create_connection)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    if bundle is not None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / bundle))
    with pytest.raises(Unreachable, match="closed"):
        list(Dashboard("https://host/ray").messages("/tail"))
    assert seen["url"] == "wss://host/ray/tail"
    assert seen["sslopt"] == ({} if option is None else {option: str(tmp_path / (bundle or ""))})


def test_a_proxy_is_not_asked_for_this_machine(jobs_server, monkeypatch):
    """A dashboard on loopback is reached directly although the environment names a proxy."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert Dashboard(jobs_server.address).read(JOBS, list) == []
