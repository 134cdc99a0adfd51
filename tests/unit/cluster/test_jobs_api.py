"""Studies on a Ray cluster: a server on loopback answers as the dashboard does."""

import io
import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

import tune_jobs
from pipeline.cluster import jobs_api
from pipeline.cluster.driver_end import EXIT_LINE, IN_RAYJOB, report_end, take_dashboard
from pipeline.cluster.jobs_api import JobsApi, Unreachable, package
from pipeline.cluster.stop_drivers import stop_drivers
from pipeline.cluster.submissions import shared_storage, this_user
from pipeline.errors import ClusterError, InvalidJob, JobNotFound, StudyExists, UsageError
from tests.manifests import driver_environment, plain
from tests.ray_sources import check_text
from tests.unit.cluster.jobs_server import job


@pytest.fixture
def api(jobs_server) -> JobsApi:
    return JobsApi(jobs_server.address)


def submit(api, tmp_path, study="s", storage="s3://b/x", options=(), **more):
    job = tune_jobs.find("beale").replaced({"name": study, **more})
    found, attached = api.submit(job, "beale", storage, options, tmp_path)
    return found.name, attached


def test_a_study_is_uploaded_once_and_started_as_on_a_laptop(jobs_server, api, tmp_path):
    assert submit(api, tmp_path, options=["--trials", "3"]) == ("s-1", False)
    made = jobs_server.jobs["s-1"]
    assert made["entrypoint"] == "python -m pipeline.cli.app run beale --resume --storage s3://b/x --trials 3"
    assert made["runtime_env"]["working_dir"].startswith("gcs://_ray_pkg_")
    with pytest.raises(StudyExists, match=f"s-1, submitted by {this_user()}"):
        submit(api, tmp_path, seed=7)
    submit(api, tmp_path, study="other")
    assert jobs_server.uploads == 1
    (tmp_path / "job.py").write_text("2")
    submit(api, tmp_path, study="changed")
    assert jobs_server.uploads == 2


def test_a_submission_attaches_to_the_active_study_in_its_storage(jobs_server, api, tmp_path):
    jobs_server.jobs = {"s-1": job("s-1", status="FAILED"), "s-2": job("s-2", storage="s3://b/x/")}
    assert submit(api, tmp_path) == ("s-2", True)
    assert submit(api, tmp_path, storage="s3://b/y") == ("s-3", False)
    jobs_server.taken = {"other-1"}
    with pytest.raises(ClusterError, match="already exists"):
        submit(api, tmp_path, study="other")


def test_a_submission_is_found_by_its_name_or_its_study(jobs_server, api):
    others = {"submission_id": "x", "status": "RUNNING"}
    jobs_server.jobs = {"s-2": job("s-2", start_time=2), "s-1": job("s-1"), "x": others}
    assert [each.name for each in api.submissions()] == ["s-1", "s-2"]
    assert [each.name for each in api.submissions("s-1")] == ["s-1"]
    assert api.find("s").name == "s-2"
    with pytest.raises(JobNotFound, match="Available: s-1, s-2"):
        api.find("x")
    jobs_server.jobs["s-2"] = job("s-2", storage="/studies", start_time=2)
    with pytest.raises(UsageError, match="s-1 in s3://b/x and s-2 in /studies"):
        api.find("s")
    assert api.find("s-1").storage == "s3://b/x"


def test_a_log_is_followed_until_the_end_or_the_loss_of_the_cluster(jobs_server, api, monkeypatch):
    monkeypatch.setattr(jobs_api, "POLL_SECONDS", 0.0)
    jobs_server.jobs = {"s-1": job("s-1", status="SUCCEEDED")}
    jobs_server.refusals = [(status, "<html>no server</html>") for status in (502, 503, 504)]
    assert list(api.follow("s-1")) == ["all of it\n"]
    assert jobs_server.refusals == []
    with pytest.raises(ClusterError, match="is gone"):
        list(api.follow("s-2"))
    monkeypatch.setattr(jobs_api, "SILENT_SECONDS", 0.0)
    jobs_server.refusals = [(502, "")] * 9
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


@pytest.mark.parametrize("address", ["127.0.0.1:PORT", "ray://host:10001", "http://[::1", "http://host:port", ""])
def test_a_cluster_that_cannot_be_reached_is_reported(address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match=r"cannot be reached: .*Is it the address of a Ray dashboard"):
            JobsApi(address.replace("PORT", str(free.getsockname()[1]))).submissions()


def test_no_proxy_gets_the_token_of_a_dashboard_on_this_machine(jobs_server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert JobsApi(jobs_server.address).submissions() == []


@pytest.mark.parametrize(
    "answer", [(200, "<html>welcome</html>"), (200, '"text"'), (302, ""), (407, "Proxy"), (404, "no jobs")]
)
def test_a_server_that_is_not_rays_is_reported(jobs_server, api, answer):
    jobs_server.refusals = [answer]
    with pytest.raises(ClusterError, match=rf"answers HTTP {answer[0]}: .*{answer[1]}.*the address of a Ray dashboard"):
        api.submissions()


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
    for token in ("sec\nret", "sécret"):
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
        with pytest.raises(ClusterError, match="one line of ASCII") as caught:
            JobsApi(jobs_server.address)
        assert "ret" not in str(caught.value)


def test_the_project_and_tunepipe_are_packed_without_ignored_files_and_links(tmp_path):
    kept = {"job.py", "data/b.csv", "kept/keep.log"}
    ignored = {"data/a.log", "studies/x/study.json", "secret.txt", ".git/config", ".venv/bin/x", "kept/other.log"}
    for name in kept | ignored:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("*.log\nstudies/\n/secret.txt\n")
    (tmp_path / "kept/.gitignore").write_text("!keep.log\n")
    (tmp_path / "link").symlink_to("/etc")
    content, name = package(tmp_path, f"{tmp_path}/job.py:build")
    assert name == "job.py:build"
    found = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert {each for each in found if not each.startswith(("pipeline/", "tune_jobs/"))} == kept
    assert {"pipeline/cli/app.py", "tune_jobs/beale.py", "pipeline/datasets/mnist/test.parquet"} <= set(found)
    assert not [each for each in found if each.endswith(".pyc")]


def test_code_that_cannot_be_uploaded_is_refused(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "job.py").write_text("")
    with pytest.raises(ClusterError, match="call the command in its folder"):
        package(tmp_path / "project", f"{tmp_path}/job.py")
    monkeypatch.setattr(jobs_api, "MAX_CODE_BYTES", 1000)
    with pytest.raises(ClusterError, match=r"a cluster accepts 1 kB.*\.gitignore"):
        package(tmp_path / "project", "beale")


def test_a_storage_must_mean_the_same_everywhere():
    for storage in ("s3://b/x", "/mnt/studies", "abfs://c@a.dfs.core.windows.net/x"):
        assert shared_storage(f"{storage}/") == storage
    with pytest.raises(InvalidJob) as refused:
        shared_storage("studies")
    assert refused.value.faults[0].field == "--storage"


@pytest.mark.parametrize("storage", [
    "s3://KEY:secret@b/x",
    "abfs://c:secret@a.dfs.core.windows.net/x",
    "abfs://c@a/x?tenant_id=t&client_secret=secret",
    "abfs://c@a/x?sv=2024-08-04&sig=secret&sp=rwl",
])  # fmt: skip
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
    for name, value in {**SUBMISSION, IN_RAYJOB: "http://127.0.0.1:9"}.items():
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
    environment = {**os.environ, **driver_environment(plain("local-cpu")), **SUBMISSION, IN_RAYJOB: jobs_server.address}
    command = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli.app", "run", "starts.py"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    jobs_server.at_stop = command.terminate
    printed, errors = command.communicate(timeout=120)
    assert "absent" in errors
    assert "division by zero" in errors
    assert printed == "[tunepipe] exit code 2\n"
    assert jobs_server.stopped == ["s-1-x"]
    assert command.returncode == 2


FACTS = """
dashboard/modules/job/job_head.py: put("/api/packages/{protocol}/{package_name}")
dashboard/modules/job/common.py: "job_submission_id"
dashboard/modules/job/pydantic_models.py: driver_exit_code
dashboard/modules/job/job_supervisor.py: put_status(self._job_id, JobStatus.STOPPED)
_private/runtime_env/constants.py: "RAY_JOB_CONFIG_JSON_ENV_VAR"
_private/runtime_env/packaging.py: RAY_PKG_PREFIX = "_ray_pkg_"
_private/ray_constants.py: GRPC_CPP_MAX_MESSAGE_SIZE = 512 * 1024 * 1024
autoscaler/_private/cli_logger.py: _level_str="SUCC"
"""


@pytest.mark.parametrize("fact", FACTS.strip().splitlines())
def test_ray_still_has_what_pipeline_cluster_relies_on(fact):
    file, _, text = fact.partition(": ")
    check_text(text, file, "pipeline/cluster relies on it", "commands about clusters fail or mislead")


@pytest.mark.parametrize(
    ("command", "driver"),
    [
        ("python -m pipeline.cli.app run job.py --resume", True),
        ("/opt/tunepipe/bin/python -u -m pipeline.cli.app run job", True),
        ("/opt/tunepipe/bin/python /opt/tunepipe/bin/tunepipe resume job", True),
        ("python -m pipeline.cli.app results job", False), ("ray start --head", False), ("", False),
    ],
)  # fmt: skip
def test_drivers_are_known_by_their_command_and_asked_twice(command: str, driver: bool, monkeypatch) -> None:
    wait = Mock(side_effect=lambda processes, **_: ([], processes))
    monkeypatch.setattr(psutil, "wait_procs", wait)
    process, shell = (
        Mock(pid=7, **{"cmdline.return_value": each}) for each in (command.split(), ["sh", "-c", command])
    )
    assert stop_drivers([process, shell], 30) == ([7] if driver else [])
    assert (process.terminate.call_count, shell.terminate.call_count) == (2 if driver else 0, 0)
    assert [each.kwargs["timeout"] for each in wait.call_args_list] == [8, 22]
