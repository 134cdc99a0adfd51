"""The origin of modules."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.study.module_origin import (
    folder_and_path,
    import_folders,
    is_imported_from,
    is_installed,
    loaded_from,
)
from pipeline.wording import counted
from tune_jobs import networks

pytestmark = pytest.mark.usefixtures("own_modules")


@pytest.mark.parametrize(
    ("file", "module", "folder", "path"),
    [
        ("/jobs/mine.py", "mine", "/jobs", "mine.py"),
        ("/jobs/pack/mine.py", "pack.mine", "/jobs", "pack/mine.py"),
        ("/jobs/pack/__init__.py", "pack", "/jobs", "pack/__init__.py"),
        ("/jobs/my.job.py", "my.job", "/jobs", "my.job.py"),
    ],
    ids=["module", "module of a package", "package", "dots in the name of a job file"],
)
def test_a_module_has_a_folder_and_a_path_in_it(file: str, module: str, folder: str, path: str) -> None:
    """A module's path contains its packages, and dots in a file's name do not make packages."""
    assert folder_and_path(Path(file), module) == (Path(folder), path)


@pytest.mark.parametrize(
    ("place", "installed"),
    [
        (json.__file__, True),
        (np.__file__, True),
        ("/home/you/.venv/lib/python3/site-packages/lib.py", True),
        ("/home/you/lib.py", False),
    ],
)
def test_libraries_and_virtual_environments_are_installed(place: str, installed: bool) -> None:
    """The standard library, installed packages and other virtual environments count as installed."""
    assert is_installed(Path(place)) is installed


def test_a_module_that_is_shadowed_is_not_imported_from_the_folder(tmp_path: Path) -> None:
    """A file in a folder counts only if Python would import it, so none with the name of a standard module."""
    for name in ("mod_one", "json", "pipeline", "numpy"):
        (tmp_path / f"{name}.py").write_text("x = 1")
    assert [
        name for name in ("mod_one", "json", "pipeline", "numpy", "mod_two") if is_imported_from(name, tmp_path)
    ] == ["mod_one"]


def test_a_loaded_module_has_its_file_below_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded module's file, or a package's folder, is returned only for a folder above it."""
    (tmp_path / "mod_one.py").write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert loaded_from("mod_one", tmp_path) is None
    module = importlib.import_module("mod_one")
    assert loaded_from("mod_one", tmp_path) == tmp_path / "mod_one.py"
    assert loaded_from("mod_one", tmp_path / "below") is None
    assert import_folders([module.f]) == [tmp_path]


def test_functions_of_libraries_and_of_tunepipe_have_no_import_folder() -> None:
    """Functions of installed packages and of tunepipe add no folder to a worker's path."""
    assert sys.modules[counted.__module__].__file__
    functions = [json.dumps, counted, next(value for value in vars(networks).values() if callable(value))]
    assert import_folders(functions) == []
