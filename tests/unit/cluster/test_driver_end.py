"""The exit code with which a driver in a RayJob ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cluster.driver_end import report_end, take_dashboard
from pipeline.cluster.driver_environment import EXIT_LINE, IN_RAYJOB, RAYJOB_ENVIRONMENT
from tests.ray_sources import check_text

SUBMISSION = {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"metadata": {"job_submission_id": "s-1-x"}})}


@pytest.mark.parametrize(
    ("code", "final"), [(0, False), (1, False), (2, True), (2, False), (3, True), (130, False), (130, True)]
)
def test_an_exit_code_is_printed_in_a_rayjob(monkeypatch, capsys, code, final):
    """Only in a RayJob, a driver prints an exit code other than 0, and why Ray has not stopped one that is final."""
    report_end(take_dashboard(), code, final=final)
    assert capsys.readouterr().out == ""
    for name, value in {**RAYJOB_ENVIRONMENT, **SUBMISSION, IN_RAYJOB: "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    report_end(take_dashboard(), code, final=final)
    printed = capsys.readouterr().out
    assert EXIT_LINE.findall(printed) == ([str(code)] if code else [])
    assert ("which is started again" in printed) is final


def test_a_mistake_in_a_rayjob_is_stopped_by_ray(jobs_server, tmp_path):
    """In a RayJob, a mistake is printed once with its exit code as a line, and the command waits until Ray stops it."""
    environment = {**os.environ, **RAYJOB_ENVIRONMENT, **SUBMISSION, IN_RAYJOB: jobs_server.address}
    command = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli.app", "run", "no-such-job"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    jobs_server.stops["s-1-x"] = command.terminate
    printed, errors = command.communicate(timeout=120)
    assert printed == "[tunepipe] exit code 2\n"
    assert errors.count("no-such-job") == 1
    assert jobs_server.stopped == ["s-1-x"]
    assert command.returncode == 2


STARTS_ANOTHER = """
import subprocess
import sys

subprocess.run([sys.executable, "-m", "pipeline.cli.app", "results", "absent"], check=False)
1 / 0
"""


def test_a_command_that_user_code_starts_is_not_the_driver(jobs_server, tmp_path):
    """A command that a job's code starts in the driver reports no end: Ray stops the driver once, at its own end."""
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


def test_a_worker_is_not_the_driver(monkeypatch):
    """Workers, too, have the environment of a RayJob; a command there, which has no submission, is not a driver."""
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    monkeypatch.setenv(IN_RAYJOB, "http://127.0.0.1:9")
    assert take_dashboard() is None


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ('"RAY_JOB_CONFIG_JSON_ENV_VAR"', "_private/runtime_env/constants.py"),
        ('"job_submission_id"', "dashboard/modules/job/common.py"),
    ],
)
def test_ray_tells_a_driver_its_submission(text, file):
    """Ray still has the names by which a driver reads its submission from the environment."""
    check_text(text, file, "pipeline/cluster/driver_end.py lets Ray stop a submission", "mistakes are tried again")
