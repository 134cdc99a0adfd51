"""Drivers and workers that are stopped, told to end, or replaced while they sleep: real processes, real signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline import load_results
from tests.faults.endless import PLACE, STUDY

TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]
JOB = Path(__file__).with_name("endless.py")


@pytest.fixture
def held(tmp_path):
    """Starts a driver, and returns it when its study is held in the middle."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        environment = {**os.environ, PLACE: str(tmp_path), STUDY: str(tmp_path / "studies/endless")}
        process = subprocess.Popen(
            [*TUNEPIPE, "run", str(JOB), *options], cwd=tmp_path, env={**environment, "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        wait_for(tmp_path / "held", process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    """Poll until a file is there; fail at once if the process has ended."""
    while not file.exists():
        assert process.poll() is None, process.communicate()[1]
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue


def resumed(folder: Path) -> subprocess.CompletedProcess[str]:
    """Go on with the study."""
    return subprocess.run([*TUNEPIPE, "resume", "endless"], cwd=folder, capture_output=True, text=True, timeout=200)


def whole(folder: Path) -> None:
    """Every trial is completed, every epoch is there once."""
    results = load_results(folder / "studies/endless")
    assert set(results.trials["state"]) == {"completed"}
    assert len(results.epochs) == 48
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()


def test_sigterm_ends_a_driver_cleanly(held, tmp_path):
    """As a machine that is shut down sends it: exit code 130, whole tables, no process left, and the study goes on."""
    driver = held()
    children = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    _, told = driver.communicate(timeout=100)
    assert driver.returncode == 130, told
    assert "resume" in told
    assert psutil.wait_procs(children, timeout=60)[1] == []
    assert load_results(tmp_path / "studies/endless").state == "interrupted"
    done = resumed(tmp_path)
    assert done.returncode == 0, done.stderr
    whole(tmp_path)


@pytest.mark.long
def test_a_machine_that_slept_goes_on(held, tmp_path):
    """The driver and its workers are stopped and go on, as when a lid is shut: nothing is counted as lost."""
    driver = held()
    family = [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGSTOP)
    (tmp_path / "go").touch()
    for process in reversed(family):
        process.send_signal(signal.SIGCONT)
    _, told = driver.communicate(timeout=200)
    assert driver.returncode == 0, told
    whole(tmp_path)
    assert set(load_results(tmp_path / "studies/endless").trials["attempts"]) == {1}


def test_a_driver_that_was_replaced_while_it_slept_writes_nothing_more(held, tmp_path):
    """As on two machines: the second driver finishes the study; the first wakes, says so, and ends with exit code 2."""
    driver = held("--workers", "0")
    driver.send_signal(signal.SIGSTOP)
    study = tmp_path / "studies/endless"
    session = study / "sessions/0001.json"
    content = json.loads(session.read_text())
    session.write_text(json.dumps({**content, "host": "elsewhere", "heartbeat": "2020-01-01T00:00:00+00:00"}))
    (tmp_path / "go").touch()
    done = resumed(tmp_path)
    assert done.returncode == 0, done.stderr
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    driver.send_signal(signal.SIGCONT)
    _, told = driver.communicate(timeout=100)
    assert driver.returncode == 2, told
    assert "has taken over the study" in told
    assert "Traceback" not in told
    after = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    assert {path.name for path in after if after[path] != before.get(path)} == set()
    whole(tmp_path)
