"""An invalid command line is reported in tunepipe's words, by the one place that prints."""

import sys

import pytest

from pipeline.cli.app import main


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Call the command as a shell would; its exit code."""
    monkeypatch.setattr(sys, "argv", ["tunepipe", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["run", "--trals", "3"], ["no option --trals", "Did you mean --trials?", "--epochs", "tunepipe run --help"]),
        (
            ["export", "x", "--format", "savedmodel"],
            ["no option --format. Did you mean --saved-model? Available:"],
        ),
        (["export", "x", "--format=SavedModel"], ["Did you mean --saved-model?"]),
        (["report", "x", "--trial", "0"], ["no option --trial. Available: --storage, --output"]),
        (["results", "x", "--trial"], ["'--trial' requires an argument", "a trial's id or number"]),
        (["rusults", "x"], ["no command 'rusults'", "Did you mean results?", "studies", "tunepipe --help"]),
        (["--nope"], ["no option --nope", "Available: --version"]),
        (["run"], ["Missing argument", "tunepipe run [OPTIONS]", "tunepipe run --help"]),
        (["logs", "x"], ["tunepipe logs x --trial T", "--address http://HOST:8265"]),
        (["submit", "beale"], ["Missing option '--storage'", "tunepipe submit --help"]),
        (["run", "beale", "--trials", "abc"], ["--trials", "abc"]),
        (["run", "beale", "--seconds", "soon"], ["--seconds", "soon"]),
        (["results", "x", "--top", "0"], ["--top", "1"]),
        (["explain", "a", "b"], ["extra argument", "(b)", "tunepipe explain [OPTIONS]"]),
        (["run", "beale", "--trials"], ["'--trials' requires an argument", "--help"]),
    ],
)
def test_a_command_line_that_cannot_be_read(
    arguments: list[str], reported: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid command line exits with 2, with mistake and remedy on stderr without a box, and nothing on stdout."""
    assert call(monkeypatch, *arguments) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("tunepipe: ")
    assert all(part in printed.err for part in reported), printed.err
    assert not set("╭│╰") & set(printed.err)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "-h"], ["--version"], ["list"]])
def test_valid_command_lines_succeed(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A valid command line ends with exit code 0 and prints nothing to stderr."""
    assert call(monkeypatch, *arguments) == 0
    assert capsys.readouterr().err == ""
