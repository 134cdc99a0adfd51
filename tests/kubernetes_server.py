"""A server on loopback that answers as Kubernetes does, with one configured response after another."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from pipeline.cluster import download, rayjobs
from pipeline.cluster.submissions import STORAGE_ANNOTATION, STUDY_LABEL
from tests.json_handler import JsonHandler, running

RAYJOBS = "/apis/ray.io/v1/namespaces/tunepipe/rayjobs"
CORE = "/api/v1/namespaces/tunepipe"


class ApiServer(ThreadingHTTPServer):
    """Answers each path with its configured responses; of a list one for each request, the last one repeatedly."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[Any]] = {}
        self.posted: list[tuple[str, Any]] = []
        self.deleted: list[str] = []
        self.gone: set[str] = set()
        self.failing: dict[str, int] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        self.queries: list[tuple[str, dict[str, str]]] = []
        self.created_pod: dict[str, Any] | None = None


class _Handler(JsonHandler, BaseHTTPRequestHandler):
    server: ApiServer

    def _refused(self, request: str) -> bool:
        """Whether a request, such as `GET /path`, is refused; answers it then."""
        if request not in self.server.refused:
            return False
        status, message = self.server.refused[request]
        self.answer(status, {"message": message})
        return True

    def do_GET(self) -> None:
        """The next response of a path: an empty list if none is configured, an error if it is failing or gone."""
        path = urlsplit(self.path).path
        query = dict(parse_qsl(urlsplit(self.path).query))
        self.server.queries.append((path, query))
        if (selector := query.get("fieldSelector", "")).startswith("reason="):
            path = f"{path}/{selector}"
        if self.server.failing.get(path):
            self.server.failing[path] -= 1
            self.answer(503, {"message": "etcd is away"})
            return
        if path in self.server.gone:
            kind, name = path.split("/")[-2:]
            self.answer(404, {"message": f'{kind} "{name}" not found'})
        elif not self._refused(f"GET {path}"):
            answers = self.server.answers.get(path, [{"items": []}])
            self.answer(200, answers.pop(0) if len(answers) > 1 else answers[0])

    def do_DELETE(self) -> None:
        """Keep what is deleted, which is gone then."""
        self.server.deleted.append(urlsplit(self.path).path)
        self.server.gone.add(urlsplit(self.path).path)
        self.answer(200, {"kind": "Status", "status": "Success"})

    def do_POST(self) -> None:
        """Keep what is created, or refuse it."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = urlsplit(self.path).path
        if self._refused(f"POST {path}"):
            return
        self.server.posted.append((self.path, body))
        if path == f"{CORE}/pods":
            self.answer(201, self.server.created_pod)
            return
        made = {"creationTimestamp": "2026-01-01T00:00:00Z", "uid": "u-1"}
        self.answer(201, {**body, "metadata": {**body["metadata"], **made}})


def rayjob(state: str = "", name: str = "s-1", storage: str = "/studies", **status: Any) -> dict[str, Any]:
    """A RayJob as the operator has left it, of the study in its name."""
    reported = {"jobDeploymentStatus": state, **status} if state else {}
    return {
        "apiVersion": "ray.io/v1", "kind": "RayJob", "spec": {}, "status": reported,
        "metadata": {
            "name": name, "namespace": "tunepipe", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {STUDY_LABEL: name.rpartition("-")[0]}, "annotations": {STORAGE_ANNOTATION: storage},
        },
    }  # fmt: skip


def pod(name: str = "p", phase: str = "Pending", kind: str = "", **status: Any) -> dict[str, Any]:
    """A pod, of a `head` or a `worker`."""
    metadata = {"name": name, "labels": {"ray.io/node-type": kind}}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, **status}}


@contextmanager
def answering(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """A server, and a kubeconfig in a folder that names it."""
    server = ApiServer()
    with running(server):
        (folder / "config").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
                    "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                }
            )
        )  # fmt: skip
        monkeypatch.setenv("KUBECONFIG", str(folder / "config"))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "config"))
        for module in (rayjobs, download):
            monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
        yield server
