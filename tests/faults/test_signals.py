"""Drivers that are terminated, stopped from another terminal, or replaced while they hang: real processes."""

import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from pipeline import load_results
from pipeline.storage import layout
from tests.command import CommandResult, tunepipe
from tests.pausable_study import PLACE, STUDY
from tests.processes import TUNEPIPE, started, wait_for

JOB = Path(__file__).parents[1] / "pausable_study.py"

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def held(tmp_path):
    """Starts a driver, and returns it once its study is held in the middle."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str, in_background: bool = False) -> subprocess.Popen[str]:
        places = {PLACE: str(tmp_path), STUDY: str(tmp_path / "studies/pausable"), "PYTHONPATH": str(Path.cwd())}
        # As a shell starts it.
        ignored = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"] if in_background else []
        process = started(
            [*ignored, *TUNEPIPE, "run", str(JOB), *options], cwd=tmp_path, env={**os.environ, **places},
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


def resumed(folder: Path, *options: str) -> CommandResult:
    """Resume the study in this process, which is not its driver's, without workers."""
    return tunepipe("resume", "pausable", "--workers", "0", "--storage", str(folder / "studies"), *options)


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
    sentences = [line for line in reported.splitlines() if not re.match(r"\d+:\d\d  \||Copied into ", line)]
    assert [sentence[:27] for sentence in sentences] == ["The study ends when the epo", "tunepipe: The study 'pausab"]
    assert "resume" in sentences[1]
    assert psutil.wait_procs(children, timeout=60)[1] == []
    assert load_results(tmp_path / "studies/pausable").state == "interrupted"
    done = resumed(tmp_path)
    assert done.code == 0, done.errors
    whole(tmp_path)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
def test_a_study_is_stopped_from_another_terminal(workers, held, tmp_path):
    """`stop` ends the driver like Ctrl-C, also a shell's background job, and prints how to continue."""
    driver = held("--workers", str(workers), in_background=True)
    stopping = started(
        [*TUNEPIPE, "stop", "pausable"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for((tmp_path / "studies/pausable" / layout.stop_request(1)).exists, stopping)
    (tmp_path / "go").touch()
    output, errors = stopping.communicate(timeout=200)
    assert stopping.returncode == 0, errors
    assert errors.startswith(f"Session 1 was asked to end: process {driver.pid} on ")
    assert "The study 'pausable' is interrupted. `tunepipe resume pausable` continues it." in output
    _, reported = driver.communicate(timeout=200)
    assert driver.returncode == 130, reported
    assert "epochs in training are complete" in reported
    assert load_results(tmp_path / "studies/pausable").state == "interrupted"
    # A request that was met stops no later session.
    assert resumed(tmp_path).code == 0
    whole(tmp_path)


@pytest.mark.long
def test_a_driver_that_hangs_is_taken_over(held, tmp_path):
    """A driver that hangs counts as running until another takes over, completes the study and makes it end."""
    driver = held("--workers", "0")
    driver.send_signal(signal.SIGSTOP)
    wait_for(lambda: psutil.Process(driver.pid).status() == psutil.STATUS_STOPPED)
    (tmp_path / "go").touch()
    refused = resumed(tmp_path)
    assert refused.code == 2
    assert "resume" in refused.errors
    done = resumed(tmp_path, "--take-over")
    assert done.code == 0, done.errors
    assert f"Session 1 is taken over: process {driver.pid} on" in done.errors
    study = tmp_path / "studies/pausable"
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    driver.send_signal(signal.SIGCONT)
    _, reported = driver.communicate(timeout=100)
    assert driver.returncode == 2, reported
    assert "has taken over the study" in reported
    assert "Traceback" not in reported
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before
    whole(tmp_path)
