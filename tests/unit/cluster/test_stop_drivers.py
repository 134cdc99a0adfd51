"""Stopping drivers before a head's pod ends."""

import subprocess
import sys

import psutil
import pytest

from pipeline import load_results
from pipeline.cluster.stop_drivers import stop_drivers

ENDLESS = """
import time

from pipeline import Budget, Objective, TuneJob, Uniform

def endless(config):
    while True:
        yield {"score": config["x"]}
        time.sleep(3600)

JOB = TuneJob(name="endless", function=endless, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
              scheduler="fifo", budget=Budget(trials=1, epochs=100_000))
"""


class Process:
    """A process with a command line, which ends when it is asked to."""

    def __init__(self, command: list[str]) -> None:
        self.command, self.asked = command, False

    def cmdline(self) -> list[str]:
        return self.command

    def terminate(self) -> None:
        self.asked = True


@pytest.mark.parametrize(
    ("command", "driver"),
    [
        ("python -m pipeline.cli.app run job.py --resume", True),
        ("/opt/tunepipe/bin/python -u -m pipeline.cli.app run job", True),
        ("python -m pipeline.cli.app results job", False),
        ("ray start --head", False),
        ("", False),
    ],
)
def test_drivers_are_known_by_their_command(command: str, driver: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "wait_procs", lambda processes, **_: (processes, []))
    process, shell = Process(command.split()), Process(["/bin/sh", "-c", command])
    assert stop_drivers([process, shell], 2) == []  # type: ignore[list-item]
    assert (process.asked, shell.asked) == (driver, False)


def test_a_driver_with_long_epochs_ends_with_a_session_that_is_interrupted(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.cluster.stop_drivers.EPOCH_SECONDS", 1)
    (tmp_path / "endless.py").write_text(ENDLESS)
    command = [sys.executable, "-m", "pipeline.cli.app", "run", "endless.py", "--workers", "0", "--storage", "studies"]
    driver = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert driver.stdout is not None
        # It prints how far it is once it trains.
        assert any("running" in line for line in driver.stdout)
        # The test's own process is none.
        assert stop_drivers([psutil.Process(driver.pid), psutil.Process()], 60) == []
    finally:
        driver.kill()
        driver.communicate()
    results = load_results(tmp_path / "studies/endless")
    assert [session["state"] for session in results.sessions] == ["interrupted"]
    assert len(results.epochs)
