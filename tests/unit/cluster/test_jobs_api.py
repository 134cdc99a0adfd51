"""The Jobs API as seen from outside: a server on loopback that answers as Ray's does, and ours in our words."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.cluster.jobs_api import JobsApi, Submission
from pipeline.cluster.submitting import everywhere, exit_code, submit
from pipeline.errors import ClusterError, InvalidJob, JobNotFound, UsageError


class Server(ThreadingHTTPServer):
    """Keeps jobs and packages, as a dashboard does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: dict[str, dict] = {}
        self.packages: dict[str, bytes] = {}
        self.token: str | None = None
        self.taken: set[str] = set()
        self.uploads = 0

    @property
    def address(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: object) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization")
        if self.server.token is None or given == f"Bearer {self.server.token}":
            return True
        self._answer(403 if given else 401, "Forbidden: Invalid authentication token" if given else "Unauthorized")
        return False

    def do_GET(self) -> None:
        """Jobs, logs and packages."""
        if not self._allowed():
            return
        name = self.path.rstrip("/").removesuffix("/logs").rpartition("/")[2]
        if self.path == "/api/jobs/":
            self._answer(200, list(self.server.jobs.values()))
        elif self.path.startswith("/api/packages/"):
            self._answer(200 if name in self.server.packages else 404, "")
        elif name not in self.server.jobs:
            self._answer(404, f"Job {name} does not exist")
        elif self.path.endswith("/logs"):
            self._answer(200, {"logs": "all of it\n"})
        else:
            self._answer(200, self.server.jobs[name])

    def do_PUT(self) -> None:
        """A package."""
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.packages[self.path.rpartition("/")[2]] = content
        self.server.uploads += 1
        self._answer(200, "")

    def do_POST(self) -> None:
        """A new job."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body["submission_id"]
        if name in self.server.taken:
            self.server.taken.discard(name)
            self.server.jobs[name] = job(name, storage=body["metadata"]["tunepipe_storage"])
            self._answer(500, f"Job with submission_id {name} already exists.")
            return
        self.server.jobs[name] = {**body, "status": "RUNNING", "start_time": 1_700_000_000_000}
        self._answer(200, {"submission_id": name})


def job(name: str, study: str = "s", storage: str = "s3://b/x", **fields: object) -> dict:
    """A job as the server tells it."""
    metadata = {"tunepipe_study": study, "tunepipe_storage": storage}
    return {"submission_id": name, "status": "RUNNING", "start_time": 1, "metadata": metadata, **fields}


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[Server]:
    """A server, and a home without a token."""
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_study_is_uploaded_once_and_started_as_on_a_laptop(server, tmp_path):
    """The command, the code as working directory, and whose it is; a second study of the same code uploads nothing."""
    handed = submit(JobsApi(server.address), "beale", "s", "s3://b/x", ["--trials", "3"], project=tmp_path)
    made = server.jobs["s-1"]
    assert (handed.name, handed.attached) == ("s-1", False)
    assert made["entrypoint"] == "python -m pipeline.cli.app run beale --resume --storage s3://b/x --trials 3"
    assert made["runtime_env"]["working_dir"].startswith("gcs://_ray_pkg_")
    submit(JobsApi(server.address), "beale", "other", "s3://b/x", [], project=tmp_path)
    assert server.uploads == 1


def test_the_same_study_attaches_while_it_is_at_work(server, tmp_path):
    """In the same storage; one that has ended is started again under the next number."""
    server.jobs = {"s-1": job("s-1", status="FAILED"), "s-2": job("s-2")}
    api = JobsApi(server.address)
    assert submit(api, "beale", "s", "s3://b/x", [], project=tmp_path).name == "s-2"
    assert submit(api, "beale", "s", "s3://b/y", [], project=tmp_path).name == "s-3"
    assert server.uploads == 1


def test_who_comes_second_attaches_to_the_first(server, tmp_path):
    """Between the look and the submission somebody else was quicker: the server's 500 is no error."""
    server.taken = {"s-1"}
    handed = submit(JobsApi(server.address), "beale", "s", "s3://b/x", [], project=tmp_path)
    assert (handed.name, handed.attached) == ("s-1", True)


def test_tokens_come_from_where_ray_takes_them(server, monkeypatch, tmp_path):
    """The variable, the file that a variable names, the file at home; a wrong one and none are told apart."""
    server.token = "right"
    with pytest.raises(ClusterError, match=r"asks for a token, and none was given.*RAY_AUTH_TOKEN"):
        JobsApi(server.address).submissions()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(ClusterError, match="refuses the token"):
        JobsApi(server.address).submissions()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    assert JobsApi(server.address).submissions() == []
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("right\n")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    assert JobsApi(server.address).submissions() == []
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ClusterError, match=r"nowhere.*cannot be read"):
        JobsApi(server.address)


def test_a_cluster_that_is_not_there_is_told():
    """Nobody listens; and an address that is none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ClusterError, match=rf"127.0.0.1:{port} cannot be reached: Connection refused.*port-forward"):
        JobsApi(f"127.0.0.1:{port}").submissions()
    with pytest.raises(UsageError, match="http://HOST:8265"):
        JobsApi("ray://host:10001")


def test_a_submission_is_found_by_its_name_or_its_study(server):
    """The newest of a study; jobs of others are not ours; one that is not there names those that are."""
    server.jobs = {"s-1": job("s-1"), "s-2": job("s-2", start_time=2), "x": {"submission_id": "x", "status": "RUNNING"}}
    api = JobsApi(server.address)
    assert [each.name for each in api.submissions()] == ["s-1", "s-2"]
    assert api.submission("s").name == "s-2"
    assert api.submission("s-1").name == "s-1"
    with pytest.raises(JobNotFound, match=r"no submission 'x'.*s-1, s-2.*forgotten"):
        api.submission("x")


def test_a_submission_that_is_gone_while_it_is_followed_is_told(server):
    """The cluster was started again: submit goes on."""
    with pytest.raises(ClusterError, match=r"'s-1' is gone.*`tunepipe submit`"):
        list(JobsApi(server.address).follow("s-1"))


def test_what_has_ended_is_printed_whole(server):
    """All of its log, once."""
    server.jobs = {"s-1": job("s-1", status="SUCCEEDED")}
    assert list(JobsApi(server.address).follow("s-1")) == ["all of it\n"]


@pytest.mark.parametrize(
    ("state", "code", "wanted"),
    [("SUCCEEDED", 0, 0), ("SUCCEEDED", None, 0), ("FAILED", 3, 3), ("FAILED", 2, 2), ("STOPPED", None, 130)],
)
def test_the_exit_code_is_the_studys(state, code, wanted):
    """As `tunepipe run` says it; stopped is interrupted."""
    assert exit_code(Submission("s-1", "s", "/x", state, "", code, None)) == wanted


def test_a_driver_that_was_lost_has_no_exit_code():
    """It is told with the cluster's own words."""
    with pytest.raises(ClusterError, match=r"ended before its study did: The node died\..*goes on"):
        exit_code(Submission("s-1", "s", "/x", "FAILED", "The node died.", None, None))


@pytest.mark.parametrize("storage", ["s3://b/x", "/mnt/studies"])
def test_a_storage_must_mean_the_same_everywhere(storage):
    """A URI or an absolute path does, a relative one does not."""
    assert everywhere(storage) == storage
    with pytest.raises(InvalidJob, match="--storage"):
        everywhere("studies")
