"""Studies on a Ray cluster: a server on loopback answers as the dashboard does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cluster import jobs_api
from pipeline.cluster.driver_end import EXIT_LINE, IN_RAYJOB, report_end, take_dashboard
from pipeline.cluster.jobs_api import JobsApi, Unreachable
from pipeline.cluster.rayjob import RAYJOB_ENVIRONMENT
from pipeline.cluster.submissions import shared_storage
from pipeline.errors import ClusterError, InvalidJob, JobNotFound, UsageError
from tests.ray_sources import check_text
from tests.unit.cluster.jobs_server import job


@pytest.fixture
def api(jobs_server) -> JobsApi:
    return JobsApi(jobs_server.address)


def submit(api, tmp_path, study="s", storage="s3://b/x", options=()):
    return api.submit("beale", study, storage, options, tmp_path)


def test_a_study_is_uploaded_once_and_started_as_on_a_laptop(jobs_server, api, tmp_path):
    found, attached = submit(api, tmp_path, options=["--trials", "3"])
    made = jobs_server.jobs["s-1"]
    assert (found.name, attached) == ("s-1", False)
    assert made["entrypoint"] == "python -m pipeline.cli.app run beale --resume --storage s3://b/x --trials 3"
    assert made["runtime_env"]["working_dir"].startswith("gcs://_ray_pkg_")
    submit(api, tmp_path, study="other")
    assert jobs_server.uploads == 1


def test_the_second_of_two_simultaneous_submissions_attaches_to_the_first(jobs_server, api, tmp_path):
    jobs_server.taken = {"s-1"}
    found, attached = submit(api, tmp_path)
    assert (found.name, attached) == ("s-1", True)


def test_a_submission_is_found_by_its_name_or_its_study(jobs_server, api):
    jobs_server.jobs = {
        "s-1": job("s-1"),
        "s-2": job("s-2", start_time=2),
        "x": {"submission_id": "x", "status": "RUNNING"},
    }
    assert [each.name for each in api.submissions()] == ["s-1", "s-2"]
    assert api.find("s").name == "s-2"
    assert api.find("s-1").name == "s-1"
    with pytest.raises(JobNotFound, match="Available: s-1, s-2"):
        api.find("x")


def test_a_study_that_runs_in_two_storages_is_named_by_its_submission(jobs_server, api):
    jobs_server.jobs = {"s-1": job("s-1"), "s-2": job("s-2", storage="/studies", start_time=2)}
    assert [each.name for each in api.submissions("s")] == ["s-1", "s-2"]
    with pytest.raises(UsageError, match="s-1 in s3://b/x and s-2 in /studies"):
        api.find("s")
    assert api.find("s-1").storage == "s3://b/x"


def test_a_log_is_followed_once_through_a_gateway_that_is_busy(jobs_server, api, monkeypatch):
    monkeypatch.setattr(jobs_api, "POLL_SECONDS", 0.0)
    jobs_server.jobs = {"s-1": job("s-1", status="SUCCEEDED")}
    jobs_server.gateway = [502, 503, 504]
    assert list(api.follow("s-1")) == ["all of it\n"]
    assert jobs_server.gateway == []


def test_a_lost_cluster_and_a_lost_submission_are_reported(jobs_server, api, monkeypatch):
    with pytest.raises(ClusterError, match="is gone"):
        list(api.follow("s-1"))
    monkeypatch.setattr(jobs_api, "SILENT_SECONDS", 0.0)
    jobs_server.gateway = [502] * 9
    with pytest.raises(ClusterError, match="All records are kept"):
        list(api.follow("s-1"))


def test_the_exit_code_is_the_studys(jobs_server, api):
    ends = [("SUCCEEDED", 0, 0), ("SUCCEEDED", None, 0), ("FAILED", 3, 3), ("STOPPED", None, 130)]
    for state, code, wanted in ends:
        jobs_server.jobs = {"s-1": job("s-1", status=state, driver_exit_code=code)}
        assert api.exit_code("s-1") == wanted
    jobs_server.jobs = {"s-1": job("s-1", status="FAILED", message="The node died.")}
    with pytest.raises(ClusterError, match=r"The node died\."):
        api.exit_code("s-1")


def test_an_unreachable_cluster_is_reported():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match=rf"127.0.0.1:{port} cannot be reached: .*Connection refused"):
        JobsApi(f"127.0.0.1:{port}").submissions()


@pytest.mark.parametrize(
    "address", ["ray://host:10001", "http://[::1", "http://host:port", "http://host:99999", "http://:8265", ""]
)
def test_an_address_that_no_dashboard_has_is_refused(address):
    with pytest.raises(UsageError, match="must be like http://HOST:8265"):
        JobsApi(address)


def test_no_proxy_gets_the_token_of_a_dashboard_on_this_machine(jobs_server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    jobs_server.jobs = {"s-1": job("s-1")}
    assert JobsApi(jobs_server.address).find("s").name == "s-1"


def test_an_address_with_a_password_is_refused_without_printing_it():
    with pytest.raises(UsageError, match="a password") as caught:
        JobsApi("https://ana:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", ["<html>welcome</html>", {"jobs": []}, "null"])
def test_a_server_that_is_not_rays_is_reported(jobs_server, api, body):
    jobs_server.body = body
    with pytest.raises(ClusterError, match="does not answer as a Ray dashboard"):
        api.submissions()


def test_a_submission_attaches_to_the_active_study_in_its_storage(jobs_server, api, tmp_path):
    jobs_server.jobs = {"s-1": job("s-1", status="FAILED"), "s-2": job("s-2", storage="s3://b/x/")}
    found, attached = submit(api, tmp_path)
    assert (found.name, attached) == ("s-2", True)
    assert submit(api, tmp_path, storage="s3://b/y")[0].name == "s-3"


def test_tokens_are_found_where_ray_finds_them(jobs_server, monkeypatch, tmp_path):
    jobs_server.token = "right"
    with pytest.raises(ClusterError, match="refuses requests without a token"):
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
    with pytest.raises(ClusterError, match=r"cannot be read: .*nowhere"):
        JobsApi(jobs_server.address)


@pytest.mark.parametrize("token", ["sec\nret", "sécret"])
def test_a_token_that_cannot_be_sent_is_refused_without_printing_it(jobs_server, monkeypatch, token):
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with pytest.raises(ClusterError, match="one line of ASCII") as caught:
        JobsApi(jobs_server.address)
    assert "ret" not in str(caught.value)


def test_a_storage_must_mean_the_same_everywhere():
    for storage in ("s3://b/x", "/mnt/studies", "abfs://c@a.dfs.core.windows.net/x"):
        assert shared_storage(f"{storage}/") == storage
    with pytest.raises(InvalidJob) as refused:
        shared_storage("studies")
    assert refused.value.faults[0].field == "--storage"


@pytest.mark.parametrize(
    "storage",
    [
        "s3://KEY:secret@b/x",
        "abfs://c:secret@a.dfs.core.windows.net/x",
        "abfs://c@a/x?tenant_id=t&client_secret=secret",
        "abfs://c@a/x?sv=2024-08-04&sig=secret&sp=rwl",
    ],
)
def test_keys_are_not_given_to_a_cluster(storage):
    with pytest.raises(InvalidJob) as refused:
        shared_storage(storage)
    assert "secret" not in str(refused.value).replace("client_secret", "")


SUBMISSION = {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"metadata": {"job_submission_id": "s-1-x"}})}


@pytest.mark.parametrize(("code", "final"), [(0, False), (1, False), (2, True), (2, False), (3, True), (130, False)])
def test_a_driver_in_a_rayjob_prints_its_exit_code(monkeypatch, capsys, code, final):
    report_end(take_dashboard(), code, final=final)
    # Workers have the variable, too, but no submission.
    monkeypatch.setenv(IN_RAYJOB, "http://127.0.0.1:9")
    report_end(take_dashboard(), code, final=final)
    assert capsys.readouterr().out == ""
    for name, value in {**RAYJOB_ENVIRONMENT, **SUBMISSION, IN_RAYJOB: "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    report_end(take_dashboard(), code, final=final)
    printed = capsys.readouterr().out
    assert EXIT_LINE.findall(printed) == ([str(code)] if code else [])
    assert ("which is started again" in printed) is final


STARTS_ANOTHER = """
import subprocess
import sys

subprocess.run([sys.executable, "-m", "pipeline.cli.app", "results", "absent"], check=False)
1 / 0
"""


def test_a_mistake_in_a_rayjob_is_stopped_by_ray(jobs_server, tmp_path):
    # A command that the job's code starts is not the driver, and reports no end.
    (tmp_path / "starts.py").write_text(STARTS_ANOTHER)
    environment = {**os.environ, **RAYJOB_ENVIRONMENT, **SUBMISSION, IN_RAYJOB: jobs_server.address}
    command = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli.app", "run", "starts.py"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    jobs_server.stops["s-1-x"] = command.terminate
    printed, errors = command.communicate(timeout=120)
    assert "absent" in errors
    assert "division by zero" in errors
    assert printed == "[tunepipe] exit code 2\n"
    assert jobs_server.stopped == ["s-1-x"]
    assert command.returncode == 2


@pytest.mark.parametrize(
    ("text", "file"),
    [
        *(
            (route, "dashboard/modules/job/job_head.py")
            for route in (
                '@routes.get("/api/jobs/")',
                '@routes.post("/api/jobs/")',
                '@routes.get("/api/jobs/{job_or_submission_id}")',
                '@routes.post("/api/jobs/{job_or_submission_id}/stop")',
                '@routes.get("/api/jobs/{job_or_submission_id}/logs")',
                '@routes.get("/api/packages/{protocol}/{package_name}")',
                '@routes.put("/api/packages/{protocol}/{package_name}")',
            )
        ),
        ("already exists", "dashboard/modules/job/job_manager.py"),
        *(
            (f'{state} = "{state}"', "dashboard/modules/job/common.py")
            for state in ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED")
        ),
        *(
            (f"    {field}: ", "dashboard/modules/job/pydantic_models.py")
            for field in ("submission_id", "status", "message", "metadata", "start_time", "driver_exit_code")
        ),
        ("RAY_AUTH_TOKEN", "_raylet.so"),
        ("RAY_AUTH_TOKEN_PATH", "_raylet.so"),
        (".ray/auth_token", "scripts/scripts.py"),
        ('"RAY_JOB_CONFIG_JSON_ENV_VAR"', "_private/runtime_env/constants.py"),
        ('"job_submission_id"', "dashboard/modules/job/common.py"),
        ("failed with exit code {return_code}", "dashboard/modules/job/job_supervisor.py"),
        ("put_status(self._job_id, JobStatus.STOPPED)", "dashboard/modules/job/job_supervisor.py"),
        ('_level_str="SUCC"', "autoscaler/_private/cli_logger.py"),
        ('RAY_PKG_PREFIX = "_ray_pkg_"', "_private/runtime_env/packaging.py"),
        ("GRPC_CPP_MAX_MESSAGE_SIZE = 512 * 1024 * 1024", "_private/ray_constants.py"),
    ],
)
def test_ray_still_has_what_pipeline_cluster_relies_on(text, file):
    check_text(text, file, "pipeline/cluster relies on it", "commands about clusters fail or mislead")
