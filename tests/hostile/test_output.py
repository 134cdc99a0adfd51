"""Output that cannot be written: a full disk, a closed reader, a missing folder."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cases import cases

COMMANDS = {
    "help": ["--help"],
    "list": ["list"],
    "list as JSON": ["list", "--json"],
    "studies": ["studies", "--storage", "STORAGE"],
    "results": ["results", "small", "--storage", "STORAGE"],
    "results as JSON": ["results", "small", "--storage", "STORAGE", "--json"],
    "a trial": ["results", "small", "--trial", "0", "--storage", "STORAGE"],
    "CSV": ["results", "small", "--storage", "STORAGE", "--format", "csv"],
    "rows as JSON": ["results", "small", "--storage", "STORAGE", "--format", "json"],
    "Markdown": ["results", "small", "--storage", "STORAGE", "--format", "markdown"],
    "sql": ["sql", "small", "select * from epochs", "--storage", "STORAGE"],
    "endless sql": ["sql", "small", "select * from range(100000000000)", "--format", "csv", "--storage", "STORAGE"],
    "explain": ["explain", "small", "--storage", "STORAGE"],
    "compare": ["compare", "small", "other", "--storage", "STORAGE"],
    "report": ["report", "small", "--storage", "STORAGE"],
    "logs": ["logs", "small", "--trial", "0", "--storage", "STORAGE"],
    "simulate": ["simulate", "JOB", "--storage", "STORAGE"],
    "run": ["run", "JOB", "--workers", "0", "--name", "another", "--storage", "STORAGE"],
}

_WITH_A_FULL_DISK = ("results", "CSV", "run")
_WITHOUT_A_READER = ("results", "endless sql", "run")
"""What `make test` tries: one of each way to print, since every command is a process; `make test-all` tries all."""


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
    """A storage of two finished studies, so that they can be compared."""
    other = storage / "other"
    (storage / "small").rename(other)
    text = (other / "study.json").read_text()
    shutil.copytree(other, storage / "small")
    (other / "study.json").write_text(text.replace('"name": "small"', '"name": "other"'))
    return storage


@pytest.mark.parametrize("command", cases(COMMANDS, _WITH_A_FULL_DISK))
def test_a_full_disk_is_reported_in_a_message(command: str, two: Path, job_file: Path) -> None:
    """A full disk is reported with exit code 2 and without a traceback, and a trained study is complete."""
    words = COMMANDS[command]
    with Path("/dev/full").open("wb") as full:
        code, errors = _ended(_started(words, two, job_file, full.fileno()))
    assert code == 2, errors
    assert "tunepipe: Standard output cannot be written: No space left on device" in errors
    if words[0] == "run":
        assert '"finished"' in (two / "another" / "sessions" / "0001.json").read_text()


@pytest.mark.parametrize("command", cases(COMMANDS, _WITHOUT_A_READER))
def test_a_reader_that_is_gone_ends_the_command_quietly(command: str, two: Path, job_file: Path) -> None:
    """A closed reader ends the command with exit code 141 and no message, and a trained study is complete."""
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
        assert '"finished"' in (two / "another" / "sessions" / "0001.json").read_text()


@pytest.mark.long
def test_readers_that_leave_after_some_bytes(two: Path, job_file: Path, fuzz_size: int) -> None:
    """If a reader closes after any number of bytes, the exit code is 141, or 0 after the last, without a traceback."""
    draws = random.Random(16)
    chosen = [name for name in COMMANDS if name not in ("run", "compare", "report", "explain", "simulate")]
    for _ in range(4 * fuzz_size):
        words, amount = COMMANDS[draws.choice(chosen)], draws.choice([1, 10, 300, 5000, 100_000])
        reads, writes = os.pipe()
        process = _started(words, two, job_file, writes)
        os.close(writes)
        os.read(reads, amount)
        os.close(reads)
        code, errors = _ended(process)
        assert code in (0, 141), (words, amount, errors)


def test_lost_messages_change_nothing(two: Path) -> None:
    """A full or closed stderr does not change how a command ends."""
    for redirection, code in (("2>/dev/full", 0), ("2>&-", 0), (">&- 2>&-", 0)):
        words = f"{sys.executable} -m pipeline.cli.app results small --storage {two} {redirection}"
        assert subprocess.run(["sh", "-c", words], stdout=subprocess.DEVNULL, timeout=200).returncode == code
    words = f"{sys.executable} -m pipeline.cli.app results nothing --storage {two} 2>/dev/full"
    assert subprocess.run(["sh", "-c", words], timeout=200).returncode == 2


@pytest.mark.parametrize("words", [COMMANDS["CSV"], COMMANDS["report"]], ids=["CSV", "report"])
def test_no_folder_is_made_for_a_file(words: list[str], two: Path, job_file: Path, tmp_path: Path) -> None:
    """A missing folder of an output file is refused with a message and not created."""
    file = tmp_path / "nonexistent" / "x.csv"
    code, errors = _ended(_started([*words, "--output", str(file)], two, job_file, subprocess.DEVNULL))
    assert code == 2
    assert f"there is no folder {file.parent}" in errors
    assert not file.parent.exists()
