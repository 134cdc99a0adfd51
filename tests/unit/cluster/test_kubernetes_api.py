"""Requests to a Kubernetes API server: credentials, errors, and objects that are created and read."""

import base64
import contextlib
import json
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.config import incluster_config
from urllib3.exceptions import MaxRetryError

import tune_jobs
from pipeline.cluster import kubernetes_api
from pipeline.cluster.kubernetes_api import Kubernetes, ServerUnavailable, Unauthorized, api_client, translated_errors
from pipeline.cluster.rayjob import study_manifests
from pipeline.errors import ClusterError
from tests.unit.cluster.json_handler import JsonHandler, running
from tests.unit.cluster.kubernetes_server import CORE, RAYJOBS, pod, rayjob


@pytest.fixture
def server(api_server) -> Kubernetes:
    return Kubernetes(None, "tunepipe")


def translated(error: Exception) -> ClusterError:
    with pytest.raises(ClusterError) as refused, translated_errors("create the RayJob s-1"):
        raise error
    return refused.value


def refusal(status: int, body: str) -> ApiException:
    error = ApiException(status=status, reason="Refused")
    error.body = body
    return error


@pytest.mark.parametrize(
    ("status", "message", "advice"),
    [
        (404, 'namespaces "tunepipe" not found', "foundation/"),
        (404, 'rayjobs.ray.io "s-1" not found', "It was deleted"),
        (400, 'strict decoding error: unknown field "spec.x"', "too old for the overlay"),
        (403, 'rayjobs.ray.io is forbidden: User "u" cannot create resource', "the role tunepipe-submitter"),
        (401, "Unauthorized", "may have expired"),
        (403, "admission webhook denied the request: \n\nno autoscaling\n", "Change the overlay"),
        (403, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "Change the overlay"),
        (403, 'rayjobs "s-1" is forbidden: exceeded quota: q, limited: count=2', "Change the overlay"),
        (403, 'rayjobs.ray.io is forbidden: User "system:anonymous" cannot list resource', "no credentials"),
        (422, 'say "no" \\ <b> & Müller', ""),
    ],
)
def test_a_refusal_has_the_servers_message_and_a_remedy(status, message, advice):
    error = translated(refusal(status, json.dumps({"message": message})))
    said = " ".join(message.split())
    assert str(error).startswith(f"Kubernetes did not create the RayJob s-1: {said}")
    assert advice in str(error)
    assert isinstance(error, Unauthorized) is (status == 401)
    assert not isinstance(error, ServerUnavailable)


@pytest.mark.parametrize(
    ("status", "message", "reported"),
    [
        ("403 Forbidden", 'pods "x" is forbidden: exec is off', 'pods "x" is forbidden: exec is off'),
        ("403 Forbidden", 'User "u" cannot create resource "pods/exec"', "the role tunepipe-submitter"),
        ("504 Gateway Timeout", None, "504 Gateway Timeout"),
    ],
)
def test_a_refused_connection_has_the_message_of_the_server(status, message, reported):
    body = None if message is None else json.dumps({"kind": "Status", "message": message}).encode()
    error = translated(
        ApiException(status=0, reason=f"Handshake status {status} -+-+- {{'audit-id': '7'}} -+-+- {body}")
    )
    assert reported in str(error)
    assert isinstance(error, ServerUnavailable) == (message is None)
    assert message is None or "audit-id" not in str(error)


def test_a_server_without_rayjobs_needs_the_operator():
    assert "Install the KubeRay operator" in str(translated(refusal(404, "404 page not found")))


@pytest.mark.parametrize(
    "error",
    [
        *(refusal(status, '{"message": "etcd is away"}') for status in (429, 500, 503)),
        MaxRetryError(None, "/x", None),
        ConnectionRefusedError("refused"),
    ],
)
def test_a_server_that_does_not_answer_now_may_answer_later(error):
    assert isinstance(translated(error), ServerUnavailable)


def test_the_options_of_a_namespace_name_its_context_quoted_for_a_shell(api_server):
    assert Kubernetes(None, "team").options == "--kubernetes --namespace team"
    config = Path(os.environ["KUBECONFIG"])
    config.write_text(
        config.read_text().replace("name: c", "name: the lab").replace("-context: c", "-context: the lab")
    )
    assert Kubernetes("the lab", "team").options == "--kubernetes --context 'the lab' --namespace team"


@pytest.fixture
def made(tmp_path):
    """The manifests of a study with a job file."""
    (tmp_path / "mine.py").write_text("JOB = 1\n")
    return study_manifests(tune_jobs.find("beale"), f"{tmp_path}/mine.py", "local-cpu", "/studies", [])


def test_a_job_file_belongs_to_its_rayjob_which_is_validated(api_server, server, made):
    assert server.create(made)
    (first, _), (_, config_map) = api_server.posted
    assert "fieldValidation=Strict" in first
    owner = {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "beale-1", "uid": "u-1"}
    assert config_map["metadata"]["ownerReferences"] == [owner]


def test_a_rayjob_whose_file_is_refused_is_deleted(api_server, server, made):
    api_server.refused[f"{CORE}/configmaps"] = (422, "data: Invalid value")
    with pytest.raises(ClusterError, match="data: Invalid value"):
        server.create(made)
    assert api_server.deleted == [f"{RAYJOBS}/beale-1"]


@pytest.mark.parametrize("path", [RAYJOBS, f"{CORE}/configmaps"])
def test_a_quota_that_others_change_is_tried_again(api_server, server, made, path):
    contended = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified; please try again'
    api_server.conflicts[path] = [contended] * 2
    assert server.create(made)
    assert [path.partition("?")[0] for path, _ in api_server.posted] == [RAYJOBS, f"{CORE}/configmaps"]


def test_the_file_of_a_deleted_rayjob_of_the_same_name_is_waited_for(api_server, server, made):
    api_server.conflicts[f"{CORE}/configmaps"] = ['configmaps "beale-1" already exists'] * 2
    assert server.create(made)
    assert api_server.deleted == []


@pytest.mark.parametrize("said", ['rayjobs.ray.io "beale-1" already exists', "it already exists, being deleted"])
def test_a_name_that_is_taken_is_not_created(api_server, server, made, said):
    api_server.answers[f"{RAYJOBS}/beale-1"] = [rayjob("Running", "beale-1")]
    api_server.conflicts[RAYJOBS] = [said]
    assert server.create(made) is None
    assert api_server.posted == api_server.deleted == []


def test_a_rayjob_whose_creation_was_not_answered_is_recognised(api_server, server, made):
    api_server.lost.add(RAYJOBS)
    api_server.conflicts[RAYJOBS] = ['rayjobs.ray.io "beale-1" already exists']
    assert server.create(made)
    assert [path for path, _ in api_server.posted] == [f"{CORE}/configmaps"]


def test_a_missing_queue_of_kueue_is_refused_with_those_there_are(api_server, server, made):
    made.job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "team-b"
    path = "/apis/kueue.x-k8s.io/v1beta2/namespaces/tunepipe/localqueues"
    api_server.answers[path] = [{"items": [{"metadata": {"name": "team-a"}}]}]
    with pytest.raises(ClusterError, match="Available: team-a"):
        server.create(made)
    api_server.unread[path] = (403, "no")
    assert server.create(made)


def test_a_rayjob_that_is_not_released_is_reported(api_server, server, monkeypatch):
    monkeypatch.setattr(kubernetes_api, "SILENT_SECONDS", 0.0)
    api_server.answers[f"{RAYJOBS}/s-2"] = [rayjob("Running", "s-2")]
    api_server.held = True
    with pytest.raises(ClusterError, match="the KubeRay operator"):
        server.delete("s-2")


@pytest.mark.parametrize(("answered", "exists"), [("a RayJob", True), ("not found", False), ("busy", True)])
def test_only_a_server_that_answers_says_that_a_rayjob_is_gone(api_server, server, answered, exists):
    path = f"{RAYJOBS}/s-1"
    api_server.answers[path] = [rayjob("Running")]
    if answered == "not found":
        api_server.gone.add(path)
    api_server.errors[path] = 9999 if answered == "busy" else 0
    assert server.exists("s-1") is exists


@pytest.mark.parametrize("containers", [("proxy", "submitter"), ("other",)])
def test_of_several_containers_one_is_read_and_its_log_may_have_any_bytes(api_server, server, containers):
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Running", containers=containers)]}]
    api_server.answers[f"{CORE}/pods/s-1-x/log"] = [b"one\n\xff two\n"]
    (found,) = server.pods("s-1", {})
    assert server.log(found, "submitter") == "one\n\ufffd two\n"
    _, query = api_server.queries[-1]
    assert query.get("container") == ("submitter" if "submitter" in containers else None)


def test_a_container_that_waits_has_no_log_and_another_refusal_is_an_error(api_server, server):
    path = f"{CORE}/pods/s-1-x/log"
    api_server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Running")]}]
    (found,) = server.pods("s-1", {})
    api_server.unread[path] = (400, 'container "submitter" in pod "s-1-x" is waiting to start: PodInitializing')
    assert server.log(found, "submitter") == ""
    api_server.unread[path] = (404, 'pods "s-1-x" not found')
    assert server.log(found, "submitter") == ""
    api_server.unread[path] = (403, "no")
    with pytest.raises(ClusterError, match="did not read logs: no"):
        server.log(found, "submitter")


def test_events_are_not_needed(api_server, server):
    path = f"{CORE}/events"
    api_server.unread[path] = (403, 'events is forbidden: User "ana" cannot list resource')
    assert server.warnings() == []
    api_server.unread[path] = (503, "busy")
    with pytest.raises(ServerUnavailable):
        server.warnings()


def test_a_server_that_says_nothing_is_not_waited_for_without_end(api_server, tmp_path, monkeypatch):
    monkeypatch.setattr(kubernetes_api, "ANSWER_SECONDS", (10.0, 0.01))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = yaml.safe_load((tmp_path / "config").read_text())
        config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        server = Kubernetes(None, "tunepipe")
        with pytest.raises(ServerUnavailable):
            server.jobs()
        silent.setblocking(False)
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                count += 1
        assert count == 2, "A request is sent once more, not three times."
        assert server.exists("s-1")


class Page(JsonHandler, BaseHTTPRequestHandler):
    """Leads every request to a page on which a user logs in."""

    def do_GET(self):
        self.send_response(302 if self.path.startswith("/apis") else 200)
        self.send_header("Location", "/login")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_page_to_log_in_is_no_answer(api_server, tmp_path):
    gateway = HTTPServer(("127.0.0.1", 0), Page)
    config = yaml.safe_load((tmp_path / "config").read_text())
    config["clusters"][0]["cluster"]["server"] = f"http://127.0.0.1:{gateway.server_port}"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    with running(gateway), pytest.raises(ClusterError, match="answers with a web page"):
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
    monkeypatch.setattr("kubernetes.client.ApiClient", lambda configuration: configuration)


def test_a_pod_without_a_kubeconfig_uses_its_account(in_pod):
    found = api_client(None)
    assert (found.host, found.api_key["BearerToken"]) == ("https://10.0.0.1:443", "bearer of-the-pod")
    with pytest.raises(ClusterError, match="KUBECONFIG names the file"):
        api_client("lab")


def test_a_kubeconfig_goes_before_the_account_of_a_pod(in_pod, api_server):
    assert api_client(None).host == f"http://127.0.0.1:{api_server.server_port}"


@pytest.fixture
def user_of_the_kubeconfig(api_server, tmp_path):
    """A function that gives the user of the kubeconfig other credentials, and its cluster more fields."""

    def change(user, **cluster):
        config = yaml.safe_load((tmp_path / "config").read_text())
        config["users"][0]["user"] = user
        config["clusters"][0]["cluster"] |= cluster
        (tmp_path / "config").write_text(yaml.safe_dump(config))

    return change


def program(command, *arguments):
    version = "client.authentication.k8s.io/v1"
    return {"exec": {"apiVersion": version, "command": command, "args": list(arguments), "interactiveMode": "Never"}}


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        (program("no-such-program"), "No such file or directory: 'no-such-program'"),
        (program("sh", "-c", "echo please log in >&2; exit 3"), "process returned 3. please log in"),
        (program("echo", '{"apiVersion":"client.authentication.k8s.io/v1","kind":"x","status":{}}'), "missing token"),
    ],
    ids=["missing", "failed", "without a token"],
)
def test_a_program_without_credentials_is_reported(user_of_the_kubeconfig, capsys, given, reported):
    user_of_the_kubeconfig(given)
    with pytest.raises(ClusterError, match="gave no credentials") as refused:
        api_client(None)
    assert reported in str(refused.value)
    assert capsys.readouterr().err == ""


def test_a_failed_program_has_said_why_on_a_terminal(user_of_the_kubeconfig, monkeypatch):
    user_of_the_kubeconfig(program("sh", "-c", "exit 3"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    with Path(os.devnull).open("r+") as terminal:
        for name in ("sys.stdin", "sys.stderr"):
            monkeypatch.setattr(name, terminal)
        with pytest.raises(ClusterError, match="gave no credentials: it has failed"):
            api_client(None)


def test_a_token_ends_with_its_line(user_of_the_kubeconfig, tmp_path):
    (tmp_path / "token").write_text("abc\n")
    user_of_the_kubeconfig({"tokenFile": str(tmp_path / "token")})
    assert api_client(None).configuration.api_key["BearerToken"] == "Bearer abc"


@pytest.mark.parametrize("token", ["a\nb", "a…"])
def test_an_invalid_token_is_not_sent_or_shown(user_of_the_kubeconfig, token):
    user_of_the_kubeconfig({"token": token})
    with pytest.raises(ClusterError, match="one line of ASCII characters") as refused:
        api_client(None)
    assert token not in str(refused.value)


def test_a_proxy_may_need_a_library(user_of_the_kubeconfig, monkeypatch):
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    user_of_the_kubeconfig({}, **{"proxy-url": "socks5://127.0.0.1:1"})
    with pytest.raises(ClusterError, match="pip install pysocks"):
        api_client(None)


def test_a_login_service_that_is_away_is_reported(user_of_the_kubeconfig):
    payload = base64.urlsafe_b64encode(b'{"exp": 1}').decode().rstrip("=")
    provider = {"client-id": "a", "id-token": f"e30.{payload}.x", "idp-issuer-url": "https://127.0.0.1:1"}
    user_of_the_kubeconfig({"auth-provider": {"name": "oidc", "config": {**provider, "refresh-token": "r"}}})
    with pytest.raises(ClusterError, match=r"Kubernetes cannot be used: .*127\.0\.0\.1"):
        api_client(None)


def test_an_unknown_context_is_reported(api_server):
    with pytest.raises(ClusterError, match="nowhere"):
        Kubernetes("nowhere", "tunepipe")


@pytest.mark.parametrize("content", [b"hello", b"[1, 2]", b"\xff\xfe", b"", b"a:\n\t- b", b"folder", b"certificate"])
def test_a_file_that_is_no_kubeconfig_is_reported(api_server, tmp_path, content):
    config = tmp_path / "config"
    if content == b"folder":
        config.unlink()
        config.mkdir()
    elif content == b"certificate":
        config.write_text(
            config.read_text().replace("server: http:", "certificate-authority-data: x\n    server: https:")
        )
    else:
        config.write_bytes(content)
    with pytest.raises(ClusterError, match="Kubernetes cannot be used: "):
        Kubernetes(None, "tunepipe")
