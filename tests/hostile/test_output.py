"""Output that cannot be written: a full disk, a closed reader."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cases import cases

COMMANDS = {
    "help": ["--help"],
    "list": ["list"],
    "studies": ["studies", "--storage", "STORAGE"],
    "results": ["results", "small", "--storage", "STORAGE"],
    "CSV": ["sql", "small", "select * from trials", "--storage", "STORAGE", "--format", "csv"],
    "sql": ["sql", "small", "select * from epochs", "--storage", "STORAGE"],
    "long sql": ["sql", "small", "select * from range(100000)", "--format", "csv", "--storage", "STORAGE"],
    "explain": ["explain", "small", "--storage", "STORAGE"],
    "compare": ["compare", "small", "other", "--storage", "STORAGE"],
    "report": ["report", "small", "--storage", "STORAGE"],
    "logs": ["logs", "small", "--trial", "0", "--storage", "STORAGE"],
    "simulate": ["simulate", "JOB", "--storage", "STORAGE"],
    "run": ["run", "JOB", "--workers", "0", "--name", "another", "--storage", "STORAGE"],
}

_WITH_A_FULL_DISK = ("run",)
_WITHOUT_A_READER = ("long sql",)
"""What `make test` tries, since every command is a process; `make test-all` tries all."""


def _started(words: list[str], storage: Path, job: Path, stdout: int) -> subprocess.Popen[bytes]:
    """The command in its own process, as a shell starts it."""
    named = [{"STORAGE": str(storage), "JOB": str(job)}.get(word, word) for word in words]
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli.app", *named], stdout=stdout, stderr=subprocess.PIPE, cwd=storage.parent
    )


def _ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    errors = process.communicate(timeout=200)[1].decode()
    assert "Traceback" not in errors, errors
    assert "Exception ignored" not in errors, errors
    return process.returncode, errors


@pytest.fixture
def two(storage: Path) -> Path:
    """A storage of two studies that have ended, so that they can be compared."""
    other = storage / "other"
    (storage / "small").rename(other)
    text = (other / "study.json").read_text()
    shutil.copytree(other, storage / "small")
    (other / "study.json").write_text(text.replace('"name": "small"', '"name": "other"'))
    return storage


@pytest.mark.parametrize("command", cases(COMMANDS, _WITH_A_FULL_DISK))
def test_a_full_disk_is_reported_in_a_message(command: str, two: Path, job_file: Path) -> None:
    words = COMMANDS[command]
    with Path("/dev/full").open("wb") as full:
        code, errors = _ended(_started(words, two, job_file, full.fileno()))
    assert code == 2, errors
    assert "tunepipe: Standard output cannot be written: No space left on device" in errors
    if words[0] == "run":
        assert '"ended"' in (two / "another" / "sessions" / "0001.json").read_text()


@pytest.mark.parametrize("command", cases(COMMANDS, _WITHOUT_A_READER))
def test_a_reader_that_is_gone_ends_the_command_quietly(command: str, two: Path, job_file: Path) -> None:
    words = COMMANDS[command]
    reads, writes = os.pipe()
    process = _started(words, two, job_file, writes)
    os.close(writes)
    os.close(reads)
    code, errors = _ended(process)
    assert code == 141
    # A study prints on stderr what it copies, and nothing about the reader.
    assert errors == "" or (words[0] == "run" and "tunepipe:" not in errors)
    if words[0] == "run":
        assert '"ended"' in (two / "another" / "sessions" / "0001.json").read_text()
