"""The client of Ray's Jobs API, with a server on loopback that answers as Ray's does."""

import socket

import pytest

from pipeline.cluster.jobs_api import ENDED, JobsApi
from pipeline.errors import ClusterError, JobNotFound, UsageError
from tests.ray_sources import check_text
from tests.unit.cluster.jobs_server import job


def test_tokens_are_found_where_ray_finds_them(jobs_server, monkeypatch, tmp_path):
    """A cluster's token comes from the variable, the file that a variable names, or the home file, in Ray's order."""
    jobs_server.token = "right"
    with pytest.raises(ClusterError, match=r"requires a token, and none was given.*RAY_AUTH_TOKEN"):
        JobsApi(jobs_server.address).submissions()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong")
    with pytest.raises(ClusterError, match="refuses the token"):
        JobsApi(jobs_server.address).submissions()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "right")
    assert JobsApi(jobs_server.address).submissions() == []
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("right\n")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    assert JobsApi(jobs_server.address).submissions() == []
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(ClusterError, match=r"nowhere.*cannot be read"):
        JobsApi(jobs_server.address)


def test_an_unreachable_cluster_is_reported():
    """A cluster that refuses the connection and an address of another protocol are reported with different errors."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ClusterError, match=rf"127.0.0.1:{port} cannot be reached: Connection refused.*port-forward"):
        JobsApi(f"127.0.0.1:{port}").submissions()
    with pytest.raises(UsageError, match="http://HOST:8265"):
        JobsApi("ray://host:10001")


def test_a_submission_is_found_by_its_name_or_its_study(jobs_server):
    """A submission is found by name or as the newest of its study; an unknown one is refused with the known ones."""
    jobs_server.jobs = {
        "s-1": job("s-1"),
        "s-2": job("s-2", start_time=2),
        "x": {"submission_id": "x", "status": "RUNNING"},
    }
    api = JobsApi(jobs_server.address)
    assert [each.name for each in api.submissions()] == ["s-1", "s-2"]
    assert api.submission("s").name == "s-2"
    assert api.submission("s-1").name == "s-1"
    with pytest.raises(JobNotFound, match=r"no submission 'x'.*s-1, s-2.*loses its list of submissions"):
        api.submission("x")


def test_a_submission_that_is_gone_while_it_is_followed_is_reported(jobs_server):
    """If the cluster restarts while a submission is followed, the error reports that the submission is gone."""
    with pytest.raises(ClusterError, match=r"'s-1' is gone.*`tunepipe submit`"):
        list(JobsApi(jobs_server.address).follow("s-1"))


def test_the_log_of_an_ended_submission_is_complete(jobs_server):
    """The log of a submission that has ended is printed completely and once."""
    jobs_server.jobs = {"s-1": job("s-1", status="SUCCEEDED")}
    assert list(JobsApi(jobs_server.address).follow("s-1")) == ["all of it\n"]


@pytest.mark.parametrize(
    ("text", "file"),
    [
        *(
            (route, "job/job_head.py")
            for route in (
                '@routes.get("/api/jobs/")',
                '@routes.post("/api/jobs/")',
                '@routes.get("/api/jobs/{job_or_submission_id}")',
                '@routes.post("/api/jobs/{job_or_submission_id}/stop")',
                '@routes.get("/api/jobs/{job_or_submission_id}/logs")',
                '"/api/jobs/{job_or_submission_id}/logs/tail"',
                '@routes.get("/api/packages/{protocol}/{package_name}")',
                '@routes.put("/api/packages/{protocol}/{package_name}")',
            )
        ),
        ("already exists", "job/job_manager.py"),
        *((f'{state} = "{state}"', "job/common.py") for state in ("PENDING", "RUNNING", *ENDED)),
        *(
            (f"    {field}: ", "job/pydantic_models.py")
            for field in ("submission_id", "status", "message", "metadata", "start_time", "driver_exit_code")
        ),
    ],
)
def test_the_jobs_api_is_as_ray_serves_it(text, file):
    """Ray's dashboard serves each path, field, state and message of the Jobs API that tunepipe relies on."""
    check_text(
        text,
        f"dashboard/modules/{file}",
        "pipeline/cluster/jobs_api.py relies on it",
        "`tunepipe submit` and the commands about submissions fail",
    )


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("status=401", "_private/authentication/http_token_authentication.py"),
        ("status=403", "_private/authentication/http_token_authentication.py"),
        ("RAY_AUTH_TOKEN", "_raylet.so"),
        ("RAY_AUTH_TOKEN_PATH", "_raylet.so"),
        (".ray/auth_token", "scripts/scripts.py"),
    ],
)
def test_tokens_are_as_ray_has_them(text, file):
    """Ray still reads a token from the same places, and refuses one with the same status."""
    check_text(
        text,
        file,
        "pipeline/cluster/jobs_api.py finds the token there, or says that it is missing or wrong",
        "a cluster with tokens cannot be used, or the message misleads",
    )


def test_a_proxy_is_not_asked_for_this_machine(jobs_server, monkeypatch):
    """A dashboard on loopback is reached directly although the environment names a proxy."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert JobsApi(jobs_server.address).submissions() == []
