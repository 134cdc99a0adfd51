"""Drivers and workers that are stopped, terminated, or replaced while stopped: real processes, real signals."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from pipeline import load_results
from tests.command import CommandResult, tunepipe
from tests.pausable_study import PLACE, STUDY
from tests.processes import TUNEPIPE, started, wait_for

JOB = Path(__file__).parents[1] / "pausable_study.py"

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def held(tmp_path):
    """Starts a driver, and returns it once its study is held in the middle."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        environment = {**os.environ, PLACE: str(tmp_path), STUDY: str(tmp_path / "studies/pausable")}
        process = started(
            [*TUNEPIPE, "run", str(JOB), *options], cwd=tmp_path, env={**environment, "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        running.append(process)
        wait_for((tmp_path / "held").exists, process, lambda: process.communicate()[1])
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


def resumed(folder: Path) -> CommandResult:
    """Resume the study in this process, which is not its driver's, without workers."""
    return tunepipe("resume", "pausable", "--workers", "0", "--storage", str(folder / "studies"))


def whole(folder: Path) -> None:
    """Check that every trial is completed and has every epoch once."""
    results = load_results(folder / "studies/pausable")
    assert set(results.trials["state"]) == {"completed"}
    assert len(results.epochs) == 48
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()


@pytest.mark.parametrize(
    "whom",
    [pytest.param("driver", marks=pytest.mark.long), pytest.param("group", marks=pytest.mark.long), "everything"],
)
def test_sigterm_ends_a_driver_cleanly(whom, held, tmp_path):
    """SIGTERM to a driver, its group or all its processes ends it with 130 and complete, resumable tables."""
    driver = held()
    children = psutil.Process(driver.pid).children(recursive=True)
    if whom == "group":
        # As a terminal and a container's init do.
        os.killpg(driver.pid, signal.SIGTERM)
    else:
        # As systemd and Slurm do.
        for process in (driver, *(children if whom == "everything" else ())):
            process.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    _, reported = driver.communicate(timeout=100)
    assert driver.returncode == 130, reported
    # Two sentences: that it ends, and that it has ended; nothing of Ray's.
    sentences = [line for line in reported.splitlines() if not re.match(r"\d+:\d\d  \||source: ", line)]
    assert [sentence[:27] for sentence in sentences] == ["The study ends when the epo", "tunepipe: The study 'pausab"]
    assert "resume" in sentences[1]
    assert psutil.wait_procs(children, timeout=60)[1] == []
    assert load_results(tmp_path / "studies/pausable").state == "interrupted"
    done = resumed(tmp_path)
    assert done.code == 0, done.errors
    whole(tmp_path)


@pytest.mark.long
def test_a_driver_that_was_replaced_while_it_slept_writes_nothing(held, tmp_path):
    """A driver that was replaced while stopped reports that and exits with 2 without writing anything."""
    driver = held("--workers", "0")
    driver.send_signal(signal.SIGSTOP)
    study = tmp_path / "studies/pausable"
    session = study / "sessions/0001.json"
    content = json.loads(session.read_text())
    session.write_text(json.dumps({**content, "host": "elsewhere", "heartbeat": "2020-01-01T00:00:00+00:00"}))
    # By the storage's clock, too: a younger file would be watched for a minute.
    os.utime(session, (0, 0))
    (tmp_path / "go").touch()
    done = resumed(tmp_path)
    assert done.code == 0, done.errors
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    driver.send_signal(signal.SIGCONT)
    _, reported = driver.communicate(timeout=100)
    assert driver.returncode == 2, reported
    assert "has taken over the study" in reported
    assert "Traceback" not in reported
    after = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    assert {path.name for path in after if after[path] != before.get(path)} == set()
    whole(tmp_path)
