"""Whether a recorded process is alive, dead or unknown."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipeline.storage.processes import identity, lives


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
