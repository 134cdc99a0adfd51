"""A server on loopback that answers as Ray's Jobs API does."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.json_handler import JsonHandler


class JobsServer(ThreadingHTTPServer):
    """Keeps jobs and packages, as a dashboard does; first, `refusals` are what a gateway in front of it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: dict[str, dict] = {}
        self.packages: dict[str, bytes] = {}
        self.token: str | None = None
        self.taken: set[str] = set()
        self.uploads = 0
        self.stopped: list[str] = []
        self.refusals: list[tuple[int, str]] = []
        self.at_stop: Callable[[], None] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(JsonHandler, BaseHTTPRequestHandler):
    server: JobsServer

    def do_GET(self) -> None:
        given, name = self.headers.get("Authorization"), self.path.rstrip("/").removesuffix("/logs").rpartition("/")[2]
        if self.server.refusals:
            self.answer(*self.server.refusals.pop(0))
        elif self.server.token is not None and given != f"Bearer {self.server.token}":
            self.answer(403 if given else 401, "Unauthorized")
        elif self.path == "/api/jobs/":
            self.answer(200, list(self.server.jobs.values()))
        elif self.path.startswith("/api/packages/"):
            self.answer(200 if name in self.server.packages else 404, "")
        elif name not in self.server.jobs:
            self.answer(404, f"Job {name} does not exist")
        else:
            self.answer(200, {"logs": "all of it\n"} if self.path.endswith("/logs") else self.server.jobs[name])

    def do_PUT(self) -> None:
        self.server.packages[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.uploads += 1
        self.answer(200, "")

    def do_POST(self) -> None:
        if self.path.endswith("/stop"):
            self.server.stopped.append(self.path.split("/")[-2])
            self.answer(200, {"stopped": True})
            if self.server.at_stop is not None:
                self.server.at_stop()
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["submission_id"]
        if name in self.server.taken:
            self.answer(500, f"Job with submission_id {name} already exists.")
            return
        self.server.jobs[name] = {**body, "status": "RUNNING", "start_time": 1_700_000_000_000}
        self.answer(200, {"submission_id": name})


def job(name: str, study: str = "s", storage: str = "s3://b/x", **fields: object) -> dict:
    metadata = {"tunepipe_study": study, "tunepipe_storage": storage}
    return {"submission_id": name, "status": "RUNNING", "start_time": 1, "metadata": metadata, **fields}
