"""The Jobs API as seen from outside: a server on loopback that answers as Ray's does, and ours in our words."""

import socket

import pytest

from pipeline.cluster.jobs_api import JobsApi
from pipeline.errors import ClusterError, JobNotFound, UsageError
from tests.unit.cluster.jobs_server import job


def test_tokens_are_found_where_ray_finds_them(jobs_server, monkeypatch, tmp_path):
    """Tokens come from the variable, the file that a variable names, or the home file, in Ray's order."""
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
    """A cluster that refuses the connection and an address of another protocol are different errors."""
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
