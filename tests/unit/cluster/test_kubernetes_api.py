"""Requests to a Kubernetes API server: credentials, errors, and objects that are created and read."""

import json
import socket

import pytest
import yaml
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError

from pipeline.cluster import kubernetes_api
from pipeline.cluster.kubernetes_api import Kubernetes, KubernetesError, translated_errors
from pipeline.cluster.rayjobs import RayJobs
from pipeline.errors import ClusterError
from tests.kubernetes_server import RAYJOBS


def translated(error: Exception) -> KubernetesError:
    with pytest.raises(KubernetesError) as refused, translated_errors("create the RayJob s-1"):
        raise error
    return refused.value


def refusal(status: int, body: str) -> ApiException:
    error = ApiException(status=status, reason="Refused")
    error.body = body
    return error


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "404 page not found"), (403, "webhook denied: \n\nno autoscaling\n"), (422, 'say "no" \\ <b> & Müller')],
)
def test_a_refusal_has_the_servers_message(status, message):
    error = translated(refusal(status, json.dumps({"message": message})))
    assert str(error).startswith(f"Kubernetes did not create the RayJob s-1: {' '.join(message.split())}")
    assert ("Install the KubeRay operator" in str(error)) is (status == 404)
    assert (error.status, error.passes) == (status, False)


def test_a_refused_connection_is_reported_without_its_headers():
    error = translated(
        ApiException(status=0, reason="Handshake status 403 Forbidden -+-+- {'audit-id': '7'} -+-+- None")
    )
    assert "403 Forbidden" in str(error)
    assert "audit-id" not in str(error)


def test_a_server_that_does_not_answer_now_may_answer_later():
    for error in (refusal(429, ""), refusal(503, "{}"), MaxRetryError(None, "/x", None), ConnectionRefusedError("no")):
        assert translated(error).passes


def test_a_server_that_says_nothing_is_not_waited_for_without_end(api_server, tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes_api, "ANSWER_SECONDS", (10.0, 0.01))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = yaml.safe_load((tmp_path / "config").read_text())
        config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        with pytest.raises(KubernetesError) as refused:
            RayJobs(None, "tunepipe").job("s-1")
    assert refused.value.passes


def test_a_page_to_log_in_is_no_answer(api_server):
    api_server.answers[f"{RAYJOBS}/s-1"] = ["<html>Log in</html>"]
    with pytest.raises(ClusterError, match="the answer is not JSON"):
        RayJobs(None, "tunepipe").job("s-1")


@pytest.mark.parametrize("content", [None, b"hello", b"\xff\xfe", b"a:\n\t- b"])
def test_a_context_or_kubeconfig_that_is_none_is_reported(api_server, tmp_path, content):
    if content is not None:
        (tmp_path / "config").write_bytes(content)
    with pytest.raises(ClusterError, match="Kubernetes cannot be used: "):
        Kubernetes("nowhere" if content is None else None, "tunepipe")
