"""The command: what it refuses, the one place that prints an error, and its console."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from pipeline.cli.app import guard_streams
from pipeline.cli.commands import app
from pipeline.cli.console import command_console
from pipeline.errors import DamagedFile, Interrupted, NoTrialSucceeded, StorageError
from pipeline.results.views.table import Column, Table
from tests.command import CommandResult, tunepipe


@pytest.fixture
def ended_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException | int | None], CommandResult]:
    """How the command ends where its work raises an error, or returns an exit code."""

    def end(outcome: BaseException | int | None) -> CommandResult:
        def work(**_: Any) -> int | None:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr("pipeline.cli.commands.app", work)
        return tunepipe("results")

    return end


@pytest.mark.parametrize(("outcome", "code", "message"), [
    (StorageError("The disk is full."), 2, "tunepipe: The disk is full.\n"),
    (NoTrialSucceeded("None did."), 3, "tunepipe: None did.\n"),
    (Interrupted("It was interrupted."), 130, "tunepipe: It was interrupted.\n"),
    (DamagedFile("It is damaged."), 1, "tunepipe: It is damaged.\n"),
    # It cannot change the terminal, and is no markup.
    (StorageError("\x1b[2J[bold]x:100:"), 2, "tunepipe: \\x1b[2J[bold]x:100:\n"),
    (3, 3, ""),
    (None, 0, ""),
])  # fmt: skip
def test_a_command_ends_with_its_code_and_a_sentence_on_stderr(
    ended_by: Callable[[Any], CommandResult], outcome: Any, code: int, message: str
) -> None:
    assert ended_by(outcome) == CommandResult(code, "", message)


def test_ctrl_c_ends_a_command_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.study.files.study_names", work)
    assert tunepipe("results", "a") == CommandResult(130, "", "tunepipe: Interrupted.\n")


IMPORTING = """
import signal, sys
from pipeline.cli.app import start

class Interrupted:
    def find_spec(self, name, *_):
        if name == sys.argv[2]:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("as in an extension of NumPy's")

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupted())
start()
"""


@pytest.mark.parametrize("name", ["numpy", "pipeline.errors"])
def test_ctrl_c_while_libraries_are_imported_ends_the_process_without_a_traceback(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTING, "list", name], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_bug_is_not_hidden(ended_by: Callable[[Any], CommandResult]) -> None:
    with pytest.raises(ZeroDivisionError):
        ended_by(ZeroDivisionError())


@pytest.mark.parametrize(("words", "reported"), [
    (["run", "--trals", "3"], ["--trals", "--trials", "`tunepipe run --help`"]),
    (["rusults", "x"], ["'rusults'", "Did you mean 'results'?", "`tunepipe --help`"]),
    (["run"], ["Missing argument", "tunepipe run [OPTIONS]", "`tunepipe run --help`"]),
    (["logs", "x"], ["--address http://HOST:8265"]),
    (["submit", "beale"], ["'--storage'", "`tunepipe submit --help`"]),
    (["submit", "beale", "--storage", "/s", "--workers", "0"], ["'--workers'", "equal to 1"]),
    (["sql", "x", "select 1", "--format", "xml"], ["'--format'", "'csv'", "'parquet'"]),
])  # fmt: skip
def test_a_command_line_that_cannot_be_read(words: list[str], reported: list[str]) -> None:
    printed = tunepipe(*words)
    assert (printed.code, printed.output) == (2, "")
    assert printed.errors.startswith("tunepipe: ")
    assert all(part in printed.errors for part in reported), printed.errors


@pytest.mark.parametrize("words", [["--help"], ["run", "-h"], ["--version"]])
def test_help_and_version_are_printed(words: list[str]) -> None:
    printed = tunepipe(*words)
    assert (printed.code, printed.errors) == (0, "")
    assert printed.output.startswith("tunepipe " if "--version" in words else "Usage: tunepipe")


def test_no_command_at_all_shows_the_help() -> None:
    printed = tunepipe()
    assert printed.code == 2
    assert printed.errors.startswith("Usage: tunepipe")


@pytest.mark.parametrize("command", [each.name for each in app.registered_commands])
def test_help_fits_a_screen(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert tunepipe(command, "--help").output.count("\n") <= 45


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", "ö – 日\n"), ("ascii", "\\xf6 \\u2013 \\u65e5\n")])
def test_a_character_that_an_encoding_lacks_is_written_as_its_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, written: str
) -> None:
    with (tmp_path / "out").open("w", encoding=encoding) as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", out)
        guard_streams()
        sys.stdout.close()  # as a job's function may do
        print("ö – 日", flush=True)
        monkeypatch.undo()
    assert (tmp_path / "out").read_text(encoding) == written


PROGRAM = """
import atexit
from pipeline.cli.app import ProcessEnd

class Kept:
    def __del__(self):
        print("the interpreter ended")

kept, end = Kept(), ProcessEnd()
atexit.register(print, "an exit function")
"""


@pytest.mark.parametrize(("last", "code"), [("end.code = 3; raise SystemExit(3)", 3), ("raise ZeroDivisionError", 1)])
def test_a_process_ends_after_its_exit_functions_and_before_the_interpreter(last: str, code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM + last], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (code, "an exit function\n")


HOSTILE = "\x1b]0;title\x07\x1b[2J\u202ex"
LEGIBLE = r"\x1b]0;title\x07\x1b[2J\u202ex"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_console_spells_out_what_its_callers_forgot(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", str(int(terminal)))
    monkeypatch.setenv("TERM", "xterm")
    console = command_console()
    console.print(Text(HOSTILE, style="bold"))
    console.print(HOSTILE, markup=False)
    reported = capsys.readouterr().out
    assert reported.count(LEGIBLE.replace(r"\x07", "")) == 2  # rich leaves that one out
    assert ("\x1b[1m" in reported) == terminal
    assert "\x07" not in reported
    assert "\u202e" not in reported


def test_a_table_in_a_pipe_aligns_numbers_and_fills_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"study": "a", "exit_code": None, "state": "running"},
        {"study": "bc", "exit_code": 130, "state": "x"},
    ]
    columns = [Column("study"), Column("exit_code", right=True), Column("state")]
    command_console().print(Table("", columns, rows))
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["study  exit code  state", "a              –  running", "bc           130  x"]
