"""Whether a recorded process is alive, dead or unknown."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.storage.processes import handles, identity, lives


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_process_that_lives_and_one_that_does_not(child: subprocess.Popen[bytes]) -> None:
    record = identity(child.pid)
    assert lives(record) is True
    assert lives({**record, "process_started_after_boot": record["process_started_after_boot"] - 60}) is False
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert lives(record) is False
    child.wait()
    assert lives(record) is False


@pytest.mark.parametrize(
    "elsewhere", [{"host": "another"}, {"boot_id": "another, or a pod of that name"}, {"pid_namespace": "pid:[1]"}]
)
@pytest.mark.parametrize("pid", [os.getpid(), 2**31 - 1], ids=["own", "largest"])
def test_a_process_id_of_another_machine_is_unknown(elsewhere: dict[str, str], pid: int) -> None:
    assert lives({**identity(), "pid": pid, **elsewhere}) is None
    assert lives({}) is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say")
def test_whether_a_process_handles_a_signal() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        assert handles(os.getpid(), signal.SIGUSR1) is True
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        assert handles(os.getpid(), signal.SIGUSR1) is False
        assert handles(2**31 - 1, signal.SIGUSR1) is None
    finally:
        signal.signal(signal.SIGUSR1, before)
