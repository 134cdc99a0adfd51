"""A RayJob followed: a server on loopback that answers as Kubernetes does, from one look to the next."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

import tune_jobs
from pipeline.cluster import following
from pipeline.cluster.following import Kubernetes
from pipeline.cluster.rayjob import Manifests, study_manifests
from pipeline.cluster.states import STORAGE_ANNOTATION
from pipeline.cluster.submitting import Handed, apply_rayjob
from pipeline.errors import ClusterError

RAYJOBS = "/apis/ray.io/v1/namespaces/tunepipe/rayjobs"
CORE = "/api/v1/namespaces/tunepipe"


class Server(ThreadingHTTPServer):
    """Answers each path with what it was told to; a list is taken one look at a time, the last for ever."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[Any]] = {}
        self.posted: list[tuple[str, Any]] = []
        self.deleted: list[str] = []
        self.gone: set[str] = set()
        self.errors: dict[str, int] = {}
        self.refusal: tuple[int, str] | None = None
        self.refused: dict[str, tuple[int, str]] = {}


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: Any) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        """The next answer of a path; an empty list of what nobody spoke of, an error of what has gone."""
        path = urlsplit(self.path).path
        if self.server.errors.get(path):
            self.server.errors[path] -= 1
            self._answer(503, {"message": "etcd is away"})
            return
        if path in self.server.gone:
            kind, name = path.split("/")[-2:]
            self._answer(404, {"message": f'{kind} "{name}" not found'})
            return
        answers = self.server.answers.get(path, [{"items": []}])
        self._answer(200, answers.pop(0) if len(answers) > 1 else answers[0])

    def do_DELETE(self) -> None:
        """Keep what is deleted."""
        self.server.deleted.append(urlsplit(self.path).path)
        self._answer(200, {"kind": "Status", "status": "Success"})

    def do_POST(self) -> None:
        """Keep what is created, or refuse it."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        refusal = self.server.refused.get(urlsplit(self.path).path, self.server.refusal)
        if refusal is not None:
            status, message = refusal
            self._answer(status, message if status == 404 and "page" in message else {"message": message})
            return
        self.server.posted.append((self.path, body))
        self._answer(201, {**body, "metadata": {**body["metadata"], "uid": "u-1"}})


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    """A server, and a kubeconfig that names it."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        (tmp_path / "config").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
                    "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                }
            )
        )  # fmt: skip
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
        monkeypatch.setattr(following, "_POLL_SECONDS", 0.0)
        yield server
        server.shutdown()
        thread.join()


def rayjob(state: str = "", name: str = "s-1", **status: Any) -> dict[str, Any]:
    """A RayJob as the operator has left it."""
    told = {"jobDeploymentStatus": state, **status} if state else {}
    return {
        "apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {}, "status": told,
        "metadata": {"name": name, "namespace": "tunepipe", "creationTimestamp": "2026-01-01T00:00:00Z"},
    }  # fmt: skip


def pod(name: str = "p", phase: str = "Pending", kind: str = "", **status: Any) -> dict[str, Any]:
    """A pod."""
    labels = {"ray.io/node-type": kind}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": []},
        "status": {"phase": phase, **status},
    }


def follow(wait_pods: float = 60) -> str:
    """All that is told of s-1."""
    return "".join(Kubernetes(None, "tunepipe").follow("s-1", wait_pods=wait_pods))


def test_a_study_is_followed_to_its_end(server):
    """States as they change, logs as they grow, each line once; then its exit code."""
    path = f"{RAYJOBS}/s-1"
    server.answers[path] = [rayjob(), rayjob("Initializing"), rayjob("Running"), rayjob("Complete")]
    server.answers[f"{CORE}/pods"] = [{"items": []}, {"items": [pod("s-1-x", "Running")]}]
    server.answers[f"{CORE}/pods/s-1-x/log"] = ["one\n", "one\ntwo\n"]
    told = follow()
    assert told.count("one\n") == told.count("two\n") == 1
    assert told.index("Initializing") < told.index("Running") < told.index("Complete")
    assert Kubernetes(None, "tunepipe").exit_code("s-1") == 0


def test_a_pod_that_goes_between_two_looks_has_said_all(server):
    """As the one of an attempt that failed does, before the next attempt."""
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Retrying"), rayjob("Complete")]
    server.answers[f"{CORE}/pods"] = [{"items": [pod("s-1-x", "Failed")]}]
    server.gone.add(f"{CORE}/pods/s-1-x/log")
    assert "Complete" in follow()


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("Failed", {"jobStatus": "FAILED", "message": "Job entrypoint command failed with exit code 3, last logs"}, 3),
        ("Complete", {"jobStatus": "STOPPED"}, 130),
        ("Complete", {"jobStatus": "SUCCEEDED"}, 0),
    ],
)
def test_a_study_has_its_own_exit_code(server, state, status, code):
    """From the operator's message; one that was stopped is complete to the operator."""
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob(state, **status)]
    assert Kubernetes(None, "tunepipe").exit_code("s-1") == code


def test_an_image_that_cannot_be_pulled_is_told(server):
    """With its name and what the node says."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    state = {"name": "c", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing")]
    server.answers[f"{CORE}/pods"] = [{"items": [pod(containerStatuses=[state])]}]
    with pytest.raises(ClusterError, match=r"image 'x:1' of pod p cannot be pulled: not found.*--image"):
        follow()


def test_an_image_is_missed_already_by_what_waits_for_the_head(server):
    """A worker's first container has its image, too, and is the one that says so."""
    waiting = {"waiting": {"reason": "ErrImagePull"}}
    state = {"name": "wait", "image": "x:1", "imageID": "", "ready": False, "restartCount": 0, "state": waiting}
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running")]
    server.answers[f"{CORE}/pods"] = [{"items": [pod(initContainerStatuses=[state])]}]
    with pytest.raises(ClusterError, match="image 'x:1' of pod p cannot be pulled"):
        follow()


def test_what_keeps_more_workers_away_ends_nothing(server):
    """A study that is being trained is followed to its end, though the quota has no room for another worker."""
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "s-1"}, "message": "exceeded quota: gpus"}
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running"), rayjob("Running"), rayjob("Complete")]
    server.answers[f"{CORE}/pods"] = [{"items": [pod("w", "Running", "worker")]}] * 2 + [{"items": []}]
    server.answers[f"{CORE}/pods/w/log"] = [""]
    server.answers[f"{CORE}/events"] = [{"items": [event]}]
    told = follow()
    assert told.count("exceeded quota: gpus") == 1
    assert "Complete" in told


def test_a_server_that_is_busy_for_a_moment_is_asked_again(server, monkeypatch):
    """An error of its own ends nothing, unless it lasts."""
    path = f"{RAYJOBS}/s-1"
    server.answers[path] = [rayjob("Running"), rayjob("Complete")]
    server.errors[path] = 2
    assert "Complete" in follow()
    monkeypatch.setattr(following, "_SILENT_SECONDS", 0.0)
    server.errors[path] = 99
    with pytest.raises(ClusterError, match="does not let me read the RayJob s-1"):
        follow()


def test_a_namespace_that_forbids_a_pod_is_told(server):
    """The event's own words: the RayJob's status says nothing of it."""
    message = 'pods "s-1-head" is forbidden: violates PodSecurity "restricted:latest"'
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing", rayClusterName="s-1-abc")]
    server.answers[f"{CORE}/events"] = [
        {"items": [{"metadata": {"name": "e"}, "involvedObject": {"name": "s-1-abc"}, "message": message}]}
    ]
    with pytest.raises(ClusterError, match=r"refuses a pod of 's-1'.*violates PodSecurity"):
        follow()


def test_what_the_namespace_refused_an_older_rayjob_is_not_told_again(server):
    """Events are kept for an hour, and a name is free once its RayJob is deleted."""
    message, about = 'pods "s-1-head" is forbidden: exceeded quota', {"name": "s-1"}
    event = {"metadata": {"name": "e"}, "involvedObject": about, "lastTimestamp": "2025-12-31T23:59:00Z"}
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running"), rayjob("Complete")]
    server.answers[f"{CORE}/events"] = [{"items": [{**event, "message": message}]}]
    assert "Complete" in follow()


def test_pods_without_a_node_are_told_and_waited_for(server):
    """Once, while there is patience; then with what to do."""
    condition = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: 2 Insufficient gpu."}
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing"), rayjob("Initializing"), rayjob("Complete")]
    server.answers[f"{CORE}/pods"] = [{"items": [pod(conditions=[condition])]}]
    assert follow().count("waits for a node: 0/2 nodes are available") == 1
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Initializing")]
    with pytest.raises(ClusterError, match=r"could not be scheduled for 0 s.*--wait-pods"):
        follow(wait_pods=0)


def test_more_workers_are_waited_for_while_one_works(server):
    """A group without nodes does not end a study that is trained on others."""
    condition = {"type": "PodScheduled", "status": "False", "message": "no spot node"}
    pods = [pod("a", "Running", "worker"), pod("b", kind="worker", conditions=[condition])]
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob("Running"), rayjob("Running"), rayjob("Complete")]
    server.answers[f"{CORE}/pods"] = [{"items": pods}]
    server.answers[f"{CORE}/pods/a/log"] = [""]
    assert "pod b waits for a node: no spot node" in follow(wait_pods=0)


def test_an_operator_that_says_nothing_is_missed(server, monkeypatch):
    """Nobody takes the RayJob up."""
    monkeypatch.setattr(following, "_SILENT_SECONDS", 0.0)
    server.answers[f"{RAYJOBS}/s-1"] = [rayjob()]
    with pytest.raises(ClusterError, match="the KubeRay operator does not run"):
        follow()


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        ((404, "404 page not found"), "Install the KubeRay operator"),
        ((404, 'namespaces "tunepipe" not found'), "there is no namespace 'tunepipe'"),
        ((400, 'strict decoding error: unknown field "spec.x"'), "too old for the overlay"),
        ((403, 'rayjobs.ray.io is forbidden: User "u" cannot create resource'), "the role tunepipe-submitter"),
        ((403, "admission webhook denied the request: no autoscaling"), "denied the request: no autoscaling$"),
    ],
)
def test_what_the_server_refuses_is_told_in_our_words(server, refusal, told):
    """No operator, no namespace, old definitions, no permission."""
    server.refusal = refusal
    made = study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [])
    with pytest.raises(ClusterError, match=told):
        Kubernetes(None, "tunepipe").apply(made)


def test_a_job_file_belongs_to_its_rayjob(server, tmp_path):
    """The ConfigMap goes when the RayJob is deleted; the server is asked to be strict."""
    file = tmp_path / "mine.py"
    file.write_text("JOB = 1\n")
    made = study_manifests(tune_jobs.find("beale"), str(file), "local-cpu", "/studies", [])
    Kubernetes(None, "tunepipe").apply(made)
    (first, _), (_, config_map) = server.posted
    assert "fieldValidation=Strict" in first
    assert config_map["metadata"]["ownerReferences"] == [
        {"apiVersion": "ray.io/v1", "kind": "RayJob", "name": "beale-1", "uid": "u-1"}
    ]


def test_a_rayjob_whose_file_is_refused_does_not_stay(server, tmp_path):
    """It would wait for its file for ever."""
    file = tmp_path / "mine.py"
    file.write_text("JOB = 1\n")
    made = study_manifests(tune_jobs.find("beale"), str(file), "local-cpu", "/studies", [])
    server.refused[f"{CORE}/configmaps"] = (422, "data: Invalid value")
    with pytest.raises(ClusterError, match=r"ConfigMap of the job file: data: Invalid value"):
        Kubernetes(None, "tunepipe").apply(made)
    assert server.deleted == [f"{RAYJOBS}/beale-1"]


def test_two_submissions_at_once_make_one_rayjob(server):
    """Whose name is taken between looking and creating attaches to the other one."""
    other = rayjob("Running", "beale-1")
    other["metadata"]["annotations"] = {STORAGE_ANNOTATION: "/studies"}
    server.answers[RAYJOBS] = [{"items": []}, {"items": [other]}]
    server.refused[RAYJOBS] = (409, 'rayjobs.ray.io "beale-1" already exists')

    def made(number: int) -> Manifests:
        return study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [], number=number)

    assert apply_rayjob(Kubernetes(None, "tunepipe"), "beale", "/studies", made) == Handed("beale-1", attached=True)


def test_a_name_that_somebody_else_has_taken_is_told(server):
    """A RayJob without a study's label is in the way for ever."""
    server.answers[RAYJOBS] = [{"items": []}]
    server.refused[RAYJOBS] = (409, 'rayjobs.ray.io "beale-1" already exists')

    def made(number: int) -> Manifests:
        return study_manifests(tune_jobs.find("beale"), "beale", "local-cpu", "/studies", [], number=number)

    with pytest.raises(ClusterError, match=r"a RayJob 'beale-1' already.*another --name"):
        apply_rayjob(Kubernetes(None, "tunepipe"), "beale", "/studies", made)


@pytest.mark.parametrize("named", ["s-2", "s"])
def test_a_study_is_stopped_by_its_own_name_or_its_rayjobs(server, named):
    """It is deleted, and gone when the call returns."""
    going = {"items": [rayjob("Complete", "s-1"), rayjob("Running", "s-2")]}
    server.answers[RAYJOBS] = [going, *([going] if named == "s" else []), going, {"items": []}]
    kubernetes = Kubernetes(None, "tunepipe")
    kubernetes.stop(kubernetes.named(named))
    assert server.deleted == [f"{RAYJOBS}/s-2"]
    assert server.answers[RAYJOBS] == [{"items": []}]


def test_a_rayjob_that_nobody_lets_go_of_is_told(server, monkeypatch):
    """Its operator does not run: nobody waits for ever."""
    monkeypatch.setattr(following, "_SILENT_SECONDS", 0.0)
    server.answers[RAYJOBS] = [{"items": [rayjob("Running", "s-2")]}]
    with pytest.raises(ClusterError, match=r"'s-2' is to be deleted, .* the KubeRay operator"):
        Kubernetes(None, "tunepipe").stop("s-2")


def test_a_study_that_is_not_at_work_cannot_be_stopped(server):
    """What is at work is told."""
    server.answers[RAYJOBS] = [{"items": [rayjob("Running", "t-2")]}, {"items": []}]
    with pytest.raises(ClusterError, match=r"called 's', .* At work there are t-2\."):
        Kubernetes(None, "tunepipe").named("s")


def test_a_rayjob_that_was_deleted_is_told(server):
    """With what becomes of the study."""
    server.gone.add(f"{RAYJOBS}/s-1")
    with pytest.raises(ClusterError, match="Somebody has deleted it; what was recorded is there"):
        follow()


def test_an_unknown_context_is_told(server):
    """And where contexts come from."""
    with pytest.raises(ClusterError, match=r"nowhere.*KUBECONFIG"):
        Kubernetes("nowhere", "tunepipe")
