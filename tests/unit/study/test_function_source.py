"""The file that defines a user's function, and whether two functions are the same code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.study import TuneJob
from pipeline.study.function_source import module_of, same_code, same_text, source_of
from pipeline.study.load_module import load_module

pytestmark = pytest.mark.usefixtures("own_modules")


def test_the_loaded_source_is_saved(write: Callable[..., Path]) -> None:
    """A study saves the source as it was loaded, although the file was edited afterwards."""
    path = write(1)
    job = load_module(path).JOB
    before = job.to_json()
    write(2)
    assert job.to_json() == before
    assert b"return 1" in source_of(job.model)
    assert module_of(job.model) == "a_job"


def test_a_script_is_saved_under_its_file_s_name(tmp_path: Path, write: Callable[..., Path]) -> None:
    """A script, which Python names __main__, is saved and found under its file's name."""
    path = write(1, "script.py")
    space: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec"), space)
    job = space["JOB"]
    assert job.to_json()["model"]["function"] == "script:build"
    assert job.resumable
    copies = tmp_path / "source"
    copies.mkdir()
    (copies / "script.py").write_bytes(source_of(job.model))
    assert TuneJob.from_json(job.to_json(), source=copies) == job


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (b"x = 1\n", True),
        (b"# a comment\nx = (\n    1\n)\n", True),
        (b"x = 2\n", False),
        (b"x = (\n", False),
        (b"x = '\0'\n", False),
    ],
)
def test_comments_and_layout_make_no_difference(other: bytes, same: bool) -> None:
    """Sources with the same syntax tree are equal; text that is not Python differs from all others."""
    assert same_text(b"x = 1\n", other) is same


def test_functions_of_equal_files_are_the_same_code(write: Callable[..., Path]) -> None:
    """A function of a reloaded file is the same code until the file's meaning changes."""
    first = load_module(write(1)).JOB.model
    path = write(1)
    path.write_text("# a comment" + path.read_text())
    assert same_code(first, load_module(path).JOB.model)
    assert not same_code(first, load_module(write(2)).JOB.model)
    assert not same_code(first, lambda config: config)
