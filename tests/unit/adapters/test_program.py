"""Programs of other libraries, run up to the call that would start their tuning."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.adapters.program import ProgramEnd, end_program, load, running
from pipeline.errors import InvalidJob

PROGRAM = """
import sys
before = sys.argv
from pipeline.adapters.program import end_program

def tuned():
    pass
{call}
after = 1
"""


def no_patches() -> contextlib.AbstractContextManager[None]:
    """A library without entry points of its own."""
    return contextlib.nullcontext()


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Paths and modules are left as they were."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("program_"):
            del sys.modules[name]


def written(folder: Path, name: str, call: str) -> Path:
    """A program in a file."""
    path = folder / f"{name}.py"
    path.write_text(PROGRAM.format(call=call))
    return path


def test_a_call_ends_the_program_and_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The call that ends a program is kept with its line and arguments, and only names before it are defined."""
    path = written(tmp_path, "program_one", "print('hello')\nend_program(tuned, {'trials': 3})")
    program = load(path, no_patches)
    assert program.call is not None
    assert (program.call.target, program.call.arguments) == (program.module.tuned, {"trials": 3})
    assert program.call.line == "program_one.py, line 9"
    assert program.module.before == [str(path)]
    assert not hasattr(program.module, "after")
    assert capsys.readouterr() == ("", "hello\n")


def test_code_under_main_runs_when_it_is_needed(tmp_path: Path) -> None:
    """Code of a program under `__main__` runs when the ending call is requested, and not at the import."""
    call = "if __name__ == '__main__':\n    ran = True\n    end_program(tuned, {})"
    program = load(written(tmp_path, "program_two", call), no_patches)
    assert not hasattr(program.module, "ran")
    call_found = program.tuning_call()
    assert call_found is not None
    assert call_found.target is program.module.tuned
    assert program.module.ran


def test_an_import_ends_where_the_program_does(tmp_path: Path) -> None:
    """An import of a program by a worker stops at the call that ends the program, and that call is kept."""
    written(tmp_path, "program_three", "end_program(tuned, {'trials': 4})")
    sys.path.insert(0, str(tmp_path))
    with running("program_three", no_patches) as program:
        module = importlib.import_module("program_three")
    found = program()
    assert found.module is module is sys.modules["program_three"]
    assert found.call is not None
    assert found.call.arguments == {"trials": 4}
    with running("program_three", no_patches) as again:
        pass
    assert again() is found


def test_a_run_of_tunepipe_ends_a_program(tmp_path: Path) -> None:
    """A program that calls tunepipe's run is stopped at that call when it is loaded, and starts no study."""
    program = load(written(tmp_path, "program_four", "from pipeline import run\nrun('a job')"), no_patches)
    assert not hasattr(program.module, "after")
    import pipeline

    assert pipeline.run.__module__ == "pipeline.execution.run"


PARSING = """
import argparse
from pipeline.adapters.program import end_program

def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=3)
    return parser.parse_args()
{call}
"""


def test_a_program_sees_no_command_line_but_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that parses its command line has its defaults, under `__main__` and when a worker imports it."""
    monkeypatch.setattr(sys, "argv", ["tunepipe", "run", "program.py", "--from", "optuna"])
    guarded, plain = tmp_path / "program_seven.py", tmp_path / "program_eight.py"
    guarded.write_text(
        PARSING.format(call="if __name__ == '__main__':\n    print('main')\n    end_program(1, vars(arguments()))")
    )
    plain.write_text(PARSING.format(call="end_program(1, vars(arguments()))"))
    found = load(guarded, no_patches).tuning_call()
    sys.path.insert(0, str(tmp_path))
    with running("program_eight", no_patches) as program:
        importlib.import_module("program_eight")
    imported = program().call
    assert found is not None
    assert imported is not None
    assert found.arguments == imported.arguments == {"trials": 3}
    assert sys.argv[1:] == ["run", "program.py", "--from", "optuna"]
    assert capsys.readouterr() == ("", "main\n")


def test_an_error_of_the_program_is_reported_with_its_line(tmp_path: Path) -> None:
    """An error that a program raises when it is loaded is reported with its line."""
    with pytest.raises(InvalidJob, match=r"ZeroDivisionError.*line 8"):
        load(written(tmp_path, "program_five", "1 / 0"), no_patches)


def test_an_error_under_main_is_reported_with_its_line(tmp_path: Path) -> None:
    """An error that a program raises under `__main__`, before its search, is reported with its line."""
    program = load(written(tmp_path, "program_six", "if __name__ == '__main__':\n    1 / 0"), no_patches)
    with pytest.raises(InvalidJob, match=r"program_six.py, line 9: must run.*ZeroDivisionError"):
        program.tuning_call()


def test_outside_of_a_program_nothing_ends() -> None:
    """Outside of a program, the call that would end it does nothing."""
    end_program(None, {})
    assert not issubclass(ProgramEnd, Exception)
