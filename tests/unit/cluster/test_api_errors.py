"""Errors of the Kubernetes API server in words."""

import json

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError

from pipeline.cluster.api_errors import ServerUnavailable, api_request
from pipeline.errors import ClusterError


def _reported(error: Exception) -> ClusterError:
    with pytest.raises(ClusterError) as refused, api_request("tunepipe", "create the RayJob s-1"):
        raise error
    return refused.value


def _refusal(status: int, body: str) -> ApiException:
    error = ApiException(status=status, reason="Refused")
    error.body = body
    return error


@pytest.mark.parametrize(
    ("status", "message", "reported"),
    [
        (
            404,
            'namespaces "tunepipe" not found',
            "there is no namespace 'tunepipe'. `kubectl apply -k` with an overlay",
        ),
        (404, 'rayjobs.ray.io "s-1" not found', "It was deleted. The study's records are kept"),
        (400, 'strict decoding error: unknown field "spec.x"', "too old for the overlay: update them."),
        (403, 'rayjobs.ray.io is forbidden: User "u" cannot create resource', "the role tunepipe-submitter"),
        (401, "Unauthorized", "Either there is no such namespace, or you do not have the role"),
        (403, "admission webhook denied the request: no autoscaling", "denied the request: no autoscaling"),
    ],
)
def test_a_refusal_names_a_remedy(status: int, message: str, reported: str) -> None:
    """An error about a refusal by Kubernetes names the request and a remedy, or else the server's message."""
    error = _reported(_refusal(status, json.dumps({"message": message})))
    assert str(error).startswith("Kubernetes did not create the RayJob s-1: ")
    assert reported in str(error)
    assert not isinstance(error, ServerUnavailable)


def test_a_server_without_rayjobs_needs_the_operator() -> None:
    """If Kubernetes does not know RayJobs, the error asks to install the KubeRay operator."""
    assert "Install the KubeRay operator" in str(_reported(_refusal(404, "404 page not found")))


def test_quotes_in_a_message_are_read() -> None:
    """An API error has the message of the server's JSON, quotes included, or else the reason of its status."""
    for said in ('say "no"', "<b> & Müller", "two\nlines", "C:\\path"):
        assert str(_reported(_refusal(422, json.dumps({"message": said})))).endswith(f"s-1: {said}")
    assert str(_reported(_refusal(422, r'{"message":"\u003cnil\u003e"}'))).endswith("s-1: <nil>")
    assert str(_reported(_refusal(422, ""))).endswith("s-1: Refused")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_errors_of_a_busy_server_are_temporary(status: int) -> None:
    """A busy server's error (429, 500 or 503) has its own type, because the request may be repeated."""
    assert isinstance(_reported(_refusal(status, '{"message": "etcd is away"}')), ServerUnavailable)


@pytest.mark.parametrize("error", [MaxRetryError(None, "/x", None), ConnectionRefusedError("refused")])
def test_a_server_that_is_not_there_may_come(error: Exception) -> None:
    """A server that cannot be reached is a temporary error that names the option --context."""
    found = _reported(error)
    assert isinstance(found, ServerUnavailable)
    assert "--context" in str(found)


def test_other_errors_pass() -> None:
    """An error that is not the API server's is raised unchanged."""
    with pytest.raises(KeyError), api_request("tunepipe", "list pods"):
        raise KeyError("x")
