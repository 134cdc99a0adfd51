import ast
from pathlib import Path

import pytest
from rich.text import Text

import pipeline.cli
from pipeline.cli.console import command_console, print_rows

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
    rows = [{"study": "a", "exit_code": None, "state": "running"}, {"study": "bc", "exit_code": 130, "state": "x"}]
    print_rows(rows, study="whole", exit_code="extra", state="whole")
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["study  exit code  state", "a              –  running", "bc           130  x"]


def test_commands_print_in_no_other_way() -> None:
    found = []
    for path in sorted(Path(pipeline.cli.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if call in ("print", "Console", "typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write"):
                found.append(f"{path.name}: {ast.unparse(node)}")
    allowed = ("console.py", "commands.py: typer.echo(f'tunepipe", "submit.py: typer.echo")
    assert [one for one in found if not one.startswith(allowed)] == []
