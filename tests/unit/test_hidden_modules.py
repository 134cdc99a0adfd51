"""Files next to a job that hide a module of Python or of a library."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement

from pipeline.hidden_modules import (
    LIBRARIES,
    hidden_behind,
    hidden_behind_text,
    hidden_here,
    hidden_modules,
    hidden_text,
    what_hides,
)

ROOT = Path(__file__).parents[2]
_IMPORTED_AS = {"scikit-learn": "sklearn", "pyyaml": "yaml", "websocket-client": "websocket"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path with files and packages, three of which hide a module."""
    for name in ("csv.py", "numpy.py", "my_job.py", "utils.py", "time.py", "os.py", "test.py", "queue.txt"):
        (tmp_path / name).write_text("")
    for name in ("html", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "random").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_only_files_that_an_import_would_find_hide_a_module(folder: Path) -> None:
    """Files and packages hide a module; folders without __init__.py and names of built-in modules do not."""
    expected = {folder / "csv.py": "csv", folder / "html": "html", folder / "numpy.py": "numpy"}
    assert hidden_modules([folder, folder]) == hidden_here() == expected
    assert hidden_modules([folder / "gone"]) == {}


def test_folders_inside_a_library_hide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders that a library puts at the front of sys.path, as Ray does for its own psutil, are not reported."""
    monkeypatch.setattr("pipeline.hidden_modules.sysconfig.get_path", lambda _: str(tmp_path))
    inside = tmp_path / "library" / "thirdparty"
    (inside / "psutil").mkdir(parents=True)
    (inside / "psutil" / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(inside), str(tmp_path)])
    assert hidden_modules([inside]) == {inside / "psutil": "psutil"}
    assert hidden_here() == {}


def test_the_text_says_what_hides_what_and_what_to_do(tmp_path: Path) -> None:
    """The text names each file with the module that it hides, and says to rename it."""
    csv, numpy = {tmp_path / "csv.py": "csv"}, {tmp_path / "numpy.py": "numpy"}
    assert what_hides(csv | numpy) == (
        f"{tmp_path}/csv.py hides Python's module csv and {tmp_path}/numpy.py hides the package numpy"
    )
    assert hidden_text(csv).endswith("may find it instead. Rename it.")
    assert hidden_text(csv | numpy).endswith("may find them instead. Rename them.")


def test_an_error_is_traced_to_the_file_that_it_is_about(folder: Path) -> None:
    """An error about a module is traced to the file that hides it, and any other error to none."""
    import html.parser

    absent = AttributeError("no reader", name="reader", obj=html)
    assert hidden_behind(absent) == hidden_behind(ImportError("x", name="html.parser")) == {folder / "html": "html"}
    for other in (AttributeError("x", name="x", obj=json), AttributeError("x"), ImportError("x"), ValueError("html")):
        assert hidden_behind(other) == {}


def test_an_error_of_compiled_code_is_traced_to_the_file_that_was_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that names no module, as of Cython, is traced to the imported files that lack the name."""
    import csv

    unnamed = ImportError("cannot import name reader")
    assert hidden_behind(unnamed) == {}
    lacking: Any = ModuleType("csv")
    lacking.__file__ = str(folder / "csv.py")
    monkeypatch.setitem(sys.modules, "csv", lacking)
    assert hidden_behind(unnamed) == {folder / "csv.py": "csv"}
    lacking.reader = csv.reader
    assert hidden_behind(unnamed) == {}


@pytest.mark.parametrize(
    ("error", "named"),
    [
        ("AttributeError: partially initialized module 'csv' has no attribute 'reader'", ["csv.py"]),
        ("ImportError: cannot import name 'reader' from 'csv' (csv.py)", ["csv.py"]),
        ("ModuleNotFoundError: No module named 'html.parser'; 'html' is not a package", ["html"]),
        ("ImportError: cannot import name Queue", ["csv.py", "html", "numpy.py"]),
        ("ModuleNotFoundError: No module named 'polars'", []),
        ("AttributeError: 'NoneType' object has no attribute 'csv'", []),
        ("ValueError: no module 'csv'", []),
    ],
)
def test_a_printed_error_is_traced_to_the_file_that_it_is_about(folder: Path, error: str, named: list[str]) -> None:
    """The last line of a traceback is traced to the file that hides the module which it names."""
    assert [path.name for path in hidden_behind_text(f"It last printed: {error}", [folder])] == named


def test_every_dependency_is_among_the_libraries() -> None:
    """Each package that pyproject.toml requires is one whose hiding is noticed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {Requirement(line).name for line in project["dependencies"]}
    imported = {_IMPORTED_AS.get(name, name).replace("-", "_") for name in names}
    assert imported <= {name.lower() for name in LIBRARIES}


def test_a_script_names_such_a_file_next_to_it(tmp_path: Path) -> None:
    """If tunepipe itself cannot be imported because of a file next to a script, the error names the file."""
    (tmp_path / "decimal.py").write_text("")
    (tmp_path / "mine.py").write_text("from pipeline import load_results")
    ended = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert f"{tmp_path}/decimal.py hides Python's module decimal" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("error", ["ImportError('no extra')", "AttributeError('a fault')"])
def test_another_error_is_not_blamed_on_such_a_file(tmp_path: Path, error: str) -> None:
    """An error while tunepipe is imported that no file next to a script causes is raised as it is."""
    (tmp_path / "calendar.py").write_text("")
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        "import pipeline\n"
        "class Fails:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == 'pipeline.space': raise {error}\n"
        "sys.meta_path.insert(0, Fails())\n"
        "pipeline.Choice\n"
    )
    ended = subprocess.run(
        [sys.executable, "mine.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    kind, _, text = error.partition("(")
    assert ended.stderr.splitlines()[-1] == f"{kind}: {text.strip(chr(39) + ')')}"
