"""What a trial prints, in its own log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.execution.worker.output import captured
from pipeline.storage import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study's folder."""
    return Store(tmp_path)


PROGRAM = """
import os, subprocess, sys
from pipeline.execution.worker.output import captured
from pipeline.storage import Store
print("before")
with captured(Store(sys.argv[1]), "logs/0000.log"):
    print("python")
    print("error", file=sys.stderr)
    os.write(1, b"descriptor\\n")
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)
print("after")
"""


def test_all_output_goes_to_the_log(store: Store, tmp_path: Path) -> None:
    """A trial's log has the output of Python, C code and child processes during the capture only."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("before\nafter\n", "")
    assert sorted(store.read_text("logs/0000.log").split()) == ["child", "descriptor", "error", "python"]


def _print_and_raise() -> None:
    os.write(1, b"2")
    raise ValueError("x")


def test_a_log_grows(store: Store) -> None:
    """Each capture appends to the log, even of a failing trial, and one without output writes nothing."""
    with captured(store, "log"):
        os.write(1, b"1")
    with pytest.raises(ValueError, match="x"), captured(store, "log"):
        _print_and_raise()
    assert store.read("log") == b"12"
    with captured(store, "empty"):
        pass
    assert not store.exists("empty")


def test_a_log_that_cannot_be_written_fails_no_trial(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that cannot be written does not fail the trial."""

    def full(*_: object) -> None:
        raise StorageError("full")

    monkeypatch.setattr(Store, "append", full)
    with captured(store, "log"):
        os.write(1, b"lost")


FULL = """
import resource, sys
from pipeline.execution.worker.output import captured
from pipeline.storage import Store
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
with captured(Store(sys.argv[1]), "logs/0000.log"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    print("lost")
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
print("after")
"""


def test_temporary_files_that_cannot_be_written_fail_no_trial(tmp_path: Path) -> None:
    """A trial ends as without output, and its process prints as before, where temporary files cannot be written."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    assert done.stdout.endswith("after\n")
    assert done.stderr == ""
