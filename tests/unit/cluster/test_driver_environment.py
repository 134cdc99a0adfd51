"""The exit code that a driver reports."""

import os
import subprocess
import sys

import pytest

from pipeline.cluster.driver_environment import EXIT_LINE, RAYJOB_ENVIRONMENT, final_code
from tests.ray_sources import check_text


@pytest.mark.parametrize(("code", "ends_with"), [(0, 0), (1, 1), (2, 0), (3, 0), (130, 130)])
def test_a_rayjob_succeeds_where_another_cluster_would_not_help(monkeypatch, capsys, code, ends_with):
    """Only in a RayJob, exit codes 2 and 3 become 0 with a line that has the code; other codes are kept."""
    assert final_code(code) == code
    for name, value in RAYJOB_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert final_code(code) == ends_with
    printed = capsys.readouterr().out
    assert EXIT_LINE.findall(printed) == ([] if code == ends_with else [str(code)])


def test_a_mistake_in_a_rayjob_is_reported_once(tmp_path):
    """In a RayJob, a mistake is printed once with its exit code as a line, and the process exits with 0."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.app", "run", "no-such-job"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **RAYJOB_ENVIRONMENT}, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout == "[tunepipe] exit code 2\n"
    assert "no-such-job" in done.stderr


def test_ray_reads_how_long_a_stopped_driver_has():
    """Ray still has the environment variable for the seconds that a stopped driver has to end."""
    check_text(
        '"RAY_JOB_STOP_WAIT_TIME_S"',
        "dashboard/modules/job/job_supervisor.py",
        "pipeline/cluster/driver_environment.py gives a driver time to write its checkpoints",
        "a stopped driver is killed after three seconds",
    )
