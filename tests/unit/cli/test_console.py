import ast
import io
from pathlib import Path

import pytest
from rich.console import Group
from rich.padding import Padding
from rich.text import Text

import pipeline.cli
from pipeline.cli.console import SanitizingFile, command_console, print_output, print_text
from pipeline.results.views.table import Column, Table

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


def test_a_pipe_gets_lines_without_padding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    rows = [{"a": "1", "b": "long " * 30 + "end"}, {"a": "2", "b": ""}]
    table = Table("", [Column("a"), Column("b", keep="wrapped")], rows)
    console = command_console()
    assert console.measure(table).maximum < 200
    console.print(Group(Padding(table, (0, 0, 0, 2), expand=False), Padding("x", (0, 2)), table))
    console.print("[bold]said: [/]", end="")
    console.print("more")
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "said: more"
    assert [line for line in lines if line != line.rstrip()] == []
    assert lines[2] == "  2"
    assert lines[1].endswith("long end")


def test_printed_text_is_sanitized(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(f"There is no study in {HOSTILE}.")
    print_text(HOSTILE, err=True)
    print_output(HOSTILE)
    reported = capsys.readouterr()
    assert reported.out == f"There is no study in {LEGIBLE}.\n{LEGIBLE}"
    assert reported.err == f"{LEGIBLE}\n"


def test_a_character_that_is_written_in_two_pieces_is_whole() -> None:
    sink = io.BytesIO()
    sanitize = SanitizingFile(sink)
    for byte in "é\u202e💥\x1b".encode():
        sanitize.write(bytes([byte]))
    assert sink.getvalue().decode() == r"é\u202e💥\x1b"


def test_commands_print_in_no_other_way() -> None:
    found = []
    for path in sorted(Path(pipeline.cli.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if call in ("print", "Console", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write"):
                found.append(f"{path.name}: {ast.unparse(node)}")
    allowed = ("console.py", "commands.py: typer.echo(f'tunepipe", "submit.py: typer.echo")
    assert [one for one in found if not one.startswith(allowed)] == []
