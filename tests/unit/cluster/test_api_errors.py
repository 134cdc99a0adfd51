"""Errors of the Kubernetes API server in words."""

import json

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError

from pipeline.cluster.api_errors import ServerUnavailable, Unauthorized, api_request
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
        (401, "Unauthorized", "It does not accept the credentials of the kubeconfig, which may have expired"),
        (403, "admission webhook denied the request: no autoscaling", "denied the request: no autoscaling. Change the"),
        (
            400,
            'admission webhook "validate.kyverno" denied the request: \n\nlabels\n',
            "labels. Change the overlay, or ask",
        ),
        (403, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "no. Change the overlay, or ask"),
        (403, 'rayjobs "s-1" is forbidden: exceeded quota: q, limited: count=2', "count=2. Change the overlay, or ask"),
        (
            403,
            'rayjobs.ray.io is forbidden: User "system:anonymous" cannot list resource "rayjobs"',
            "The kubeconfig has given no credentials. Log in, or choose another context with --context.",
        ),
    ],
)
def test_a_refusal_names_a_remedy(status: int, message: str, reported: str) -> None:
    """An error about a refusal by Kubernetes names the request and a remedy, or else the server's message."""
    error = _reported(_refusal(status, json.dumps({"message": message})))
    assert str(error).startswith("Kubernetes did not create the RayJob s-1: ")
    assert reported in str(error)
    assert not isinstance(error, ServerUnavailable)


def test_only_refused_credentials_may_be_renewed() -> None:
    """Credentials that are not accepted have their own error; a right that is missing is another one."""
    assert isinstance(_reported(_refusal(401, '{"message": "Unauthorized"}')), Unauthorized)
    assert not isinstance(_reported(_refusal(403, '{"message": "Forbidden"}')), Unauthorized)


def test_a_policy_is_no_missing_right() -> None:
    """What a policy of the cluster refuses, with whatever words, is not taken for a missing role."""
    said = 'admission webhook "validation.gatekeeper.sh" denied the request: images cannot come from docker.io'
    reported = str(_reported(_refusal(403, json.dumps({"message": said}))))
    assert said in reported
    assert "tunepipe-submitter" not in reported


def test_a_webhook_that_is_away_is_named_as_such() -> None:
    """A webhook that does not answer is temporary, and the error says whom to ask."""
    said = 'Internal error occurred: failed calling webhook "v.kyverno": context deadline exceeded'
    error = _reported(_refusal(500, json.dumps({"message": said})))
    assert isinstance(error, ServerUnavailable)
    assert str(error).endswith(f"{said}. A webhook of the cluster does not answer: ask the cluster's owner.")


@pytest.mark.parametrize(
    ("status", "message", "reported"),
    [
        ("403 Forbidden", 'pods "x" is forbidden: exec is off', 's-1: pods "x" is forbidden: exec is off'),
        (
            "403 Forbidden",
            'pods is forbidden: User "u" cannot create resource "pods/exec"',
            "the role tunepipe-submitter",
        ),
        ("504 Gateway Timeout", None, "s-1: Gateway Timeout"),
    ],
)
def test_a_refused_connection_has_the_message_of_the_server(status: str, message: str | None, reported: str) -> None:
    """An answer to a request for a connection, which the client reports with all headers, is read as any other."""
    body = None if message is None else json.dumps({"kind": "Status", "message": message}).encode()
    headers = {"audit-id": "7", "warning": "-+-+-"}
    error = _reported(ApiException(status=0, reason=f"Handshake status {status} -+-+- {headers} -+-+- {body}"))
    assert reported in str(error)
    assert "audit-id" not in str(error)
    assert isinstance(error, ServerUnavailable) == (message is None)


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
