"""Stopping drivers before a head's pod ends. The Kubernetes tests drain a head."""

import psutil
import pytest

from pipeline.cluster.stop_drivers import stop_drivers


class Process:
    """A process with a command line, which counts how often it is asked to end."""

    pid = 7

    def __init__(self, command: list[str]) -> None:
        self.command, self.asked = command, 0

    def cmdline(self) -> list[str]:
        return self.command

    def terminate(self) -> None:
        self.asked += 1


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
def test_drivers_are_known_by_their_command_and_asked_twice(
    command: str, driver: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    awaited: list[float] = []

    def wait(processes: list[Process], timeout: float) -> tuple[list[Process], list[Process]]:
        awaited.append(timeout)
        return [], processes

    monkeypatch.setattr(psutil, "wait_procs", wait)
    process, shell = Process(command.split()), Process(["/bin/sh", "-c", command])
    assert stop_drivers([process, shell], 30) == ([7] if driver else [])  # type: ignore[list-item]
    assert (process.asked, shell.asked) == (2 if driver else 0, 0)
    assert awaited == [8, 22]
