"""`tunepipe stop` for a study in a storage, and drivers that die: real processes and signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline import load_results
from pipeline.storage import Store
from pipeline.study import layout
from tests.command import CommandResult, tunepipe
from tests.pausable_study import JOB, PLACE, STUDY
from tests.processes import wait_for

TUNEPIPE = [sys.executable, "-m", "pipeline"]
FILE = Path(sys.modules[JOB.function.__module__].__file__ or "")
Start = Callable[..., "subprocess.Popen[str]"]

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Start]:
    """Starts a driver as a shell starts a background job, and returns it once its study is held in the middle."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> "subprocess.Popen[str]":
        places = {PLACE: str(tmp_path), STUDY: str(tmp_path / "studies/pausable"), "PYTHONPATH": str(Path.cwd())}
        driver = subprocess.Popen(
            [*TUNEPIPE, "run", str(FILE), *options], cwd=tmp_path, env={**os.environ, **places}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )  # fmt: skip
        started.append(driver)
        wait_for((tmp_path / "held").exists, driver)
        return driver

    yield start
    for driver in started:
        if driver.poll() is None:
            driver.kill()
        driver.communicate()


def _called(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """A command in another terminal, in the same folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.Popen(
        [*TUNEPIPE, *words], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _here(folder: Path, *words: str) -> CommandResult:
    """A command on the same storage in this process, which is not the driver's."""
    return tunepipe(*words, "--storage", str(folder / "studies"))


def _whole(folder: Path) -> None:
    """Check that every trial is completed and has every epoch once."""
    results = load_results(folder / "studies/pausable")
    assert set(results.trials["state"]) == {"completed"}
    assert len(results.epochs) == 48
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()


@pytest.mark.parametrize("workers", [["--workers", "0"], pytest.param(["--workers", "2"], marks=pytest.mark.long)])
def test_a_study_in_the_background_is_stopped_from_another_terminal(
    workers: list[str], held: Start, tmp_path: Path
) -> None:
    """`stop` ends the driver like Ctrl-C, prints how to continue, and the resumed study completes."""
    driver = held(*workers)
    stopping = _called(tmp_path, "stop", "pausable")
    wait_for((tmp_path / "studies/pausable" / layout.stop_request(1)).exists, stopping)
    again = _called(tmp_path, "stop", "pausable")
    (tmp_path / "go").touch()
    for stop in (stopping, again):
        output, errors = stop.communicate(timeout=200)
        assert stop.returncode == 0, errors
        assert errors.startswith(f"Session 1 was asked to end: process {driver.pid} on ") or not errors
        assert "The study 'pausable' is " in output
        assert "interrupted. `tunepipe resume pausable` continues it." in output or "is not running" in output
    _, reported = driver.communicate(timeout=200)
    assert driver.returncode == 130, reported
    assert "epochs in training are complete" in reported
    assert load_results(tmp_path / "studies/pausable").state == "interrupted"
    later = _here(tmp_path, "stop", "pausable")
    assert later.output.endswith("is not running: it is interrupted.\n")
    assert later.code == 0
    done = _here(tmp_path, "resume", "pausable", "--workers", "0")
    assert (done.code, done.errors) == (0, "")
    _whole(tmp_path)


def test_a_killed_driver_is_detected_immediately(held: Start, tmp_path: Path) -> None:
    """After SIGKILL a study counts as interrupted and continues without waiting."""
    driver = held("--workers", "0")
    store = Store(tmp_path / "studies/pausable")
    assert load_results(store.uri).state == "running"
    driver.kill()
    driver.communicate()
    assert store.read_json(layout.session(1), most=None)["state"] == "running"
    assert load_results(store.uri).state == "interrupted"
    (tmp_path / "go").touch()
    done = _here(tmp_path, "resume", "pausable", "--workers", "0")
    assert (done.code, done.errors) == (0, "")
    _whole(tmp_path)


@pytest.mark.long
def test_a_driver_that_hangs_is_taken_over(held: Start, tmp_path: Path) -> None:
    """A driver that hangs counts as running until another takes over, completes the study and makes it end."""
    driver = held("--workers", "0")
    driver.send_signal(signal.SIGSTOP)
    while psutil.Process(driver.pid).status() != psutil.STATUS_STOPPED:
        continue
    (tmp_path / "go").touch()
    refused = _here(tmp_path, "resume", "pausable", "--workers", "0")
    assert "resume" in refused.errors
    assert refused.code == 2
    done = _here(tmp_path, "resume", "pausable", "--workers", "0", "--take-over")
    assert f"Session 1 is taken over: process {driver.pid} on" in done.errors
    assert done.code == 0
    study = tmp_path / "studies/pausable"
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    driver.send_signal(signal.SIGCONT)
    _, reported = driver.communicate(timeout=100)
    assert driver.returncode == 2, reported
    assert "has taken over the study" in reported
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before
    _whole(tmp_path)
