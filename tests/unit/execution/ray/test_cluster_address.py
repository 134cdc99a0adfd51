"""Whether a cluster answers is known before a study begins, whatever else listens at its address."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import grpc
import pytest

from pipeline.errors import ClusterError
from pipeline.execution.ray import cluster_address
from pipeline.execution.ray.cluster_address import address_of, check_reachable
from tests.ray_sources import check_text


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A port with a listener that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_port_without_a_listener_is_no_cluster():
    """A free port is not a cluster, and the error says that the connection was refused."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ClusterError, match=f"No Ray cluster can be reached at 127.0.0.1:{port}: Connection refused"):
        check_reachable(f"127.0.0.1:{port}")


def test_a_host_that_is_none_is_no_cluster():
    """A host name that cannot be resolved is not a cluster."""
    with pytest.raises(ClusterError, match=r"No Ray cluster can be reached at nowhere\.invalid:6379"):
        check_reachable("nowhere.invalid:6379")


def test_a_process_that_hangs_is_no_cluster(listening, monkeypatch):
    """A process that accepts a connection but never answers is not a cluster."""
    monkeypatch.setattr(cluster_address, "CONNECT_SECONDS", 0.2)
    with pytest.raises(ClusterError, match="nothing answered within"):
        check_reachable(f"127.0.0.1:{listening.getsockname()[1]}")


def test_a_web_server_is_no_cluster():
    """A web server, such as a dashboard, is not a cluster because it does not answer as Ray."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ClusterError, match="the program there is not Ray"):
            check_reachable(f"127.0.0.1:{server.server_port}")
        server.shutdown()


def test_another_server_of_grpc_is_no_cluster():
    """A server of gRPC that is not a Ray head, such as Ray's port for clients, is not a cluster."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(ClusterError, match="the program there is not a Ray head, whose port is 6379"):
            check_reachable(f"127.0.0.1:{port}")
        check_reachable(f"ray://127.0.0.1:{port}")
    finally:
        server.stop(None)


def test_a_head_is_a_cluster(ray_cluster, monkeypatch):
    """A running head is a cluster, even where the environment names a proxy for web pages."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    check_reachable(ray_cluster)


@pytest.mark.parametrize("address", ["http://head:8265", "head", "head:", ":6379", "head:port", "ray://", "head:99999"])
def test_an_invalid_address_of_ray_is_refused(address):
    """An invalid address is refused with an example of a valid one and the option for the dashboard's address."""
    with pytest.raises(ClusterError, match=r"such as HOST:6379.*tunepipe submit"):
        check_reachable(address)


def test_the_address_that_is_given_goes_before_the_environments(monkeypatch):
    """A given address has priority over RAY_ADDRESS, and an empty RAY_ADDRESS is ignored."""
    monkeypatch.setenv("RAY_ADDRESS", "there:6379")
    assert address_of("here:6379") == "here:6379"
    assert address_of(None) == "there:6379"
    monkeypatch.setenv("RAY_ADDRESS", "")
    assert address_of(None) is None


@pytest.mark.parametrize(
    ("text", "file", "purpose", "without"),
    [
        ("/ray.rpc.NodeInfoGcsService/GetClusterId", "_raylet.so", "know a head", "a running head is refused"),
        ('"RAY_USE_TLS", "0"', "util/client/worker.py", "know where TLS is used", "a head with TLS is refused"),
    ],
)
def test_a_head_answers_as_ray_does(text, file, purpose, without):
    """Ray still has the call that identifies a head and the variable that enables TLS."""
    check_text(text, file, f"pipeline/execution/ray/cluster_address.py uses it to {purpose}", without)
