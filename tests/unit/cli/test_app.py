"""The command: its groups, and the one place that prints an error."""

import errno
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.cli.commands import app
from pipeline.errors import DamagedFile, Interrupted, NoTrialSucceeded, OutputLost, StorageError
from tests.hostile.command import CommandResult, tunepipe


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
    ("error", "code"),
    [
        (StorageError("The disk is full."), 2),
        (NoTrialSucceeded("None did."), 3),
        (Interrupted("It was interrupted."), 130),
        (DamagedFile("It is damaged."), 1),
    ],
)
def test_an_error_is_a_sentence_on_stderr(
    ended_by: Callable[[Any], CommandResult], error: Exception, code: int
) -> None:
    """An error ends the command with the exit code of its kind, and stdout stays empty."""
    assert ended_by(error) == CommandResult(code, "", f"tunepipe: {error}\n")


def test_ctrl_c_is_exit_code_130(ended_by: Callable[[Any], CommandResult]) -> None:
    """Ctrl-C ends a command with exit code 130 and without a traceback."""
    printed = ended_by(KeyboardInterrupt())
    assert (printed.code, printed.errors) == (130, "tunepipe: Interrupted.\n")


def test_an_exit_code_that_a_command_returns_is_the_commands(ended_by: Callable[[Any], CommandResult]) -> None:
    """The exit code that a command returns, such as that of a study on a cluster, is the process's exit code."""
    assert ended_by(3) == CommandResult(3, "", "")
    assert ended_by(None) == CommandResult(0, "", "")


def test_a_bug_is_not_hidden(ended_by: Callable[[Any], CommandResult]) -> None:
    """An error that is a bug of tunepipe is raised and not turned into a message."""
    with pytest.raises(ZeroDivisionError):
        ended_by(ZeroDivisionError())


def test_an_error_cannot_change_the_terminal(ended_by: Callable[[Any], CommandResult]) -> None:
    """A command's error message is sanitized, and brackets in it are not interpreted as markup."""
    assert ended_by(StorageError("\x1b[2J[bold]x")).errors == "tunepipe: \\x1b[2J[bold]x\n"


def test_a_closed_pipe_ends_the_command_without_a_message(
    ended_by: Callable[[Any], CommandResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed pipe, as after `| head -1`, ends the command with SIGPIPE's exit code and without a message."""
    dropped: list[bool] = []
    monkeypatch.setattr("pipeline.cli.process.forget_output", lambda: dropped.append(True))
    assert ended_by(OutputLost(errno.EPIPE, "Broken pipe")) == CommandResult(141, "", "")
    assert dropped == [True]


def test_the_version_is_printed() -> None:
    """--version prints only the version and ends the command."""
    printed = tunepipe("--version")
    assert printed.code == 0
    assert printed.output.startswith("tunepipe ")
    assert printed.output.count("\n") == 1


def test_no_command_at_all_shows_the_help() -> None:
    """Without a command, `tunepipe` prints its help and no error, and exits with 2."""
    printed = tunepipe()
    assert printed.code == 2
    assert "Usage: tunepipe" in printed.output + printed.errors
    assert "tunepipe: " not in printed.errors


def test_every_command_has_a_description() -> None:
    """The help of `tunepipe` describes every command in a sentence."""
    for command in app.registered_commands:
        assert command.callback is not None
        assert (command.callback.__doc__ or "").strip().split("\n")[0].endswith((".", ":"))


def test_ctrl_c_while_a_command_is_loaded_is_no_traceback() -> None:
    """Ctrl-C while the command's modules are imported ends it with exit code 130 and without a traceback."""
    code = """
import sys

class Interrupting:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == "pipeline.cli.commands":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting)
from pipeline.cli.app import start
start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
