"""Which credentials a client of Kubernetes uses, and how long it waits."""

import contextlib
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer

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
