"""The command: its groups, what it refuses, and the one place that prints an error."""

import errno
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.cli.commands import app
from pipeline.errors import DamagedFile, Interrupted, NoTrialSucceeded, OutputLost, StorageError
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


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (StorageError("The disk is full."), 2, "tunepipe: The disk is full.\n"),
        (NoTrialSucceeded("None did."), 3, "tunepipe: None did.\n"),
        (Interrupted("It was interrupted."), 130, "tunepipe: It was interrupted.\n"),
        (KeyboardInterrupt(), 130, "tunepipe: Interrupted.\n"),
        (DamagedFile("It is damaged."), 1, "tunepipe: It is damaged.\n"),
        # It cannot change the terminal, and is no markup.
        (StorageError("\x1b[2J[bold]x"), 2, "tunepipe: \\x1b[2J[bold]x\n"),
        (3, 3, ""),
        (None, 0, ""),
    ],
)
def test_a_command_ends_with_its_code_and_a_sentence_on_stderr(
    ended_by: Callable[[Any], CommandResult], outcome: Any, code: int, message: str
) -> None:
    assert ended_by(outcome) == CommandResult(code, "", message)


def test_a_bug_is_not_hidden(ended_by: Callable[[Any], CommandResult]) -> None:
    with pytest.raises(ZeroDivisionError):
        ended_by(ZeroDivisionError())


def test_a_closed_pipe_ends_the_command_without_a_message(
    ended_by: Callable[[Any], CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `| head -1`, with SIGPIPE's exit code."""
    dropped: list[bool] = []
    monkeypatch.setattr("pipeline.cli.process.forget_output", lambda: dropped.append(True))
    assert ended_by(OutputLost(errno.EPIPE, "Broken pipe")) == CommandResult(141, "", "")
    assert dropped == [True]


def test_every_command_has_a_description() -> None:
    for command in app.registered_commands:
        assert command.callback is not None
        assert (command.callback.__doc__ or "").strip().split("\n")[0].endswith((".", ":"))


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["run", "--trals", "3"], ["--trals", "--trials", "`tunepipe run --help`"]),
        (["rusults", "x"], ["'rusults'", "Did you mean 'results'?", "`tunepipe --help`"]),
        (["--nope"], ["--nope"]),
        (["run"], ["Missing argument", "tunepipe run [OPTIONS]", "`tunepipe run --help`"]),
        (["logs", "x"], ["--address http://HOST:8265"]),
        (["submit", "beale"], ["'--storage'", "`tunepipe submit --help`"]),
        (["run", "beale", "--trials", "abc"], ["'--trials'", "integer"]),
        (["results", "x", "--top", "0"], ["'--top'", "1"]),
        (["explain", "a", "b"], ["extra argument", "(b)"]),
        (["run", "beale", "--trials"], ["'--trials' requires an argument", "--help"]),
        (["rerun", "again"], ["'TRIAL'"]),
    ],
)
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


@pytest.mark.parametrize("command", [each.name for each in app.registered_commands if each.name != "submit"])
def test_help_fits_a_screen(command: str) -> None:
    """In 100 columns; `submit` has two kinds of clusters."""
    assert tunepipe(command, "--help").output.count("\n") <= 55
