"""Which credentials a client of Kubernetes uses, and how long it waits."""

import base64
import contextlib
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from kubernetes.config import incluster_config

from pipeline.cluster import kubernetes_client
from pipeline.cluster.api_errors import ServerUnavailable
from pipeline.cluster.kubernetes_client import api_client
from pipeline.cluster.kubernetes_cluster import Kubernetes
from pipeline.errors import ClusterError
from tests.unit.cluster.json_handler import JsonHandler, running


def test_a_server_that_says_nothing_is_not_waited_for_without_end(api_server, tmp_path, monkeypatch):
    """A server that accepts a connection and never answers, as behind a network that was lost, is unavailable."""
    monkeypatch.setattr(kubernetes_client, "ANSWER_SECONDS", (10.0, 0.01))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = yaml.safe_load((tmp_path / "config").read_text())
        config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        server = Kubernetes(None, "tunepipe")
        with pytest.raises(ServerUnavailable, match="cannot be reached"):
            server.jobs()
        assert _connections(silent) == 2, "A request is sent once more, not three times."
        assert server.exists("s-1")


def _connections(server):
    """How many connections a server has that it has not accepted yet."""
    server.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


class Page(JsonHandler, BaseHTTPRequestHandler):
    """Leads every request to a page on which a user logs in."""

    def do_GET(self):
        """Send to the page, or send the page."""
        self.send_response(302 if self.path.startswith("/apis") else 200)
        self.send_header("Location", "/login")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_page_to_log_in_is_no_answer(api_server, tmp_path):
    """A gateway that leads requests to its page to log in, and another web server, are named as what they are."""
    gateway = HTTPServer(("127.0.0.1", 0), Page)
    config = yaml.safe_load((tmp_path / "config").read_text())
    config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{gateway.server_port}"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    with (
        running(gateway),
        pytest.raises(ClusterError, match=r"did not list RayJobs: the server answers with a web page"),
    ):
        Kubernetes(None, "tunepipe").jobs()


@pytest.fixture
def in_pod(tmp_path, monkeypatch):
    """A pod with the token of its account, and without a kubeconfig."""
    for name, content in (("TOKEN", "of-the-pod"), ("CERT", "certificate")):
        file = tmp_path / name
        file.write_text(content)
        monkeypatch.setattr(incluster_config, f"SERVICE_{name}_FILENAME", str(file))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    monkeypatch.setattr("kubernetes.client.ApiClient", lambda configuration: Client(configuration))


class Client:
    """A client that only keeps its settings."""

    def __init__(self, configuration):
        self.configuration = configuration
        self.rest_client = self

    def request(self):
        """Send nothing."""


def test_a_pod_without_a_kubeconfig_uses_its_account(in_pod):
    """In a pod of the cluster, as of a CI job, the account of the pod submits; no kubeconfig is needed."""
    found = api_client(None).configuration
    assert (found.host, found.api_key["BearerToken"]) == ("https://10.0.0.1:443", "bearer of-the-pod")


def test_a_context_is_one_of_a_kubeconfig(in_pod):
    """A context is looked for in a kubeconfig, in a pod, too."""
    with pytest.raises(ClusterError, match="KUBECONFIG names the file"):
        api_client("lab")


def test_a_kubeconfig_goes_before_the_account_of_a_pod(in_pod, api_server):
    """A kubeconfig in a pod is used instead of the pod's account."""
    assert api_client(None).configuration.host == f"http://127.0.0.1:{api_server.server_port}"


@pytest.fixture
def user_of_the_kubeconfig(api_server, tmp_path):
    """A function that gives the user of the kubeconfig other credentials, and its cluster more fields."""

    def change(user, **cluster):
        config = yaml.safe_load((tmp_path / "config").read_text())
        config["users"][0]["user"] = user
        config["clusters"][0]["cluster"] |= cluster
        (tmp_path / "config").write_text(yaml.safe_dump(config))

    return change


def _program(command, *arguments):
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": command, "args": list(arguments), "interactiveMode": "Never"}}


@pytest.mark.parametrize(
    ("program", "reported"),
    [
        (_program("no-such-program"), "No such file or directory: 'no-such-program'"),
        (_program("sh", "-c", "echo please log in >&2; exit 3"), "process returned 3. please log in"),
        (_program("echo", '{"apiVersion":"client.authentication.k8s.io/v1","kind":"x","status":{}}'), "missing token"),
    ],
    ids=["missing", "failed", "without a token"],
)
def test_a_program_without_credentials_is_reported(user_of_the_kubeconfig, capsys, program, reported):
    """If the program that a kubeconfig names gives no credentials, no request is sent without any."""
    user_of_the_kubeconfig(program)
    with pytest.raises(ClusterError, match="gave no credentials") as refused:
        api_client(None)
    assert reported in str(refused.value)
    assert "Install it, or log in with it" in str(refused.value)
    assert capsys.readouterr().err == ""


def test_a_failed_program_has_said_why_on_a_terminal(user_of_the_kubeconfig, monkeypatch):
    """On a terminal, where the program itself has printed why it failed, the error has no internal of the client."""
    user_of_the_kubeconfig(_program("sh", "-c", "exit 3"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with Path(os.devnull).open("r+") as terminal:
        for name in ("sys.stdin", "sys.stderr"):
            monkeypatch.setattr(name, terminal)
        with pytest.raises(ClusterError, match="gave no credentials: it has failed"):
            api_client(None)


def test_a_token_ends_with_its_line(user_of_the_kubeconfig, tmp_path):
    """A token in a file that ends with a newline is sent without it, as kubectl does."""
    (tmp_path / "token").write_text("abc\n")
    user_of_the_kubeconfig({"tokenFile": str(tmp_path / "token")})
    assert api_client(None).configuration.api_key["BearerToken"] == "Bearer abc"


@pytest.mark.parametrize("token", ["a\nb", "a…"])
def test_an_invalid_token_is_not_sent_or_shown(user_of_the_kubeconfig, token):
    """A token that no request can have is refused, and is not in the message."""
    user_of_the_kubeconfig({"token": token})
    with pytest.raises(ClusterError, match="one line of ASCII characters") as refused:
        api_client(None)
    assert token not in str(refused.value)


def test_a_proxy_may_need_a_library(user_of_the_kubeconfig, monkeypatch):
    """If the library for a kubeconfig's SOCKS proxy is missing, its installation is the remedy."""
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    user_of_the_kubeconfig({}, **{"proxy-url": "socks5://127.0.0.1:1"})
    with pytest.raises(ClusterError, match=r"SOCKS proxy.*pip install pysocks"):
        api_client(None)


def test_a_login_service_that_is_away_is_reported(user_of_the_kubeconfig):
    """A kubeconfig whose expired token cannot be renewed, because its service is away, is reported as such."""
    payload = base64.urlsafe_b64encode(b'{"exp": 1}').decode().rstrip("=")
    provider = {"client-id": "a", "id-token": f"e30.{payload}.x", "idp-issuer-url": "https://127.0.0.1:1"}
    user_of_the_kubeconfig({"auth-provider": {"name": "oidc", "config": {**provider, "refresh-token": "r"}}})
    with pytest.raises(ClusterError, match=r"Kubernetes cannot be used: .*127\.0\.0\.1"):
        api_client(None)
