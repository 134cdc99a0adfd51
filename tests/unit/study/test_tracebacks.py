"""Tracebacks of a job's code name the user's own files."""

import importlib
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.datasets import load
from pipeline.errors import DataError
from pipeline.study.copies import Copies
from pipeline.study.recorded_copies import RecordedCopies, digest_of
from pipeline.study.tracebacks import error_text, user_frames_text, with_own_files

pytestmark = pytest.mark.usefixtures("own_modules")

SOURCE = "def fail():\n    raise ValueError('no')\n"


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """A user's file whose copy is imported; its function `fail` raises in line 2."""
    for folder in ("source", "home"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "failing_job.py").write_text(SOURCE)
    job = {"model": {"function": "failing_job:fail", "sha256": digest_of(SOURCE.encode())}}
    Copies(tmp_path / "source", job, RecordedCopies({"folders": [str(tmp_path / "home")], "modules": {}})).install()
    return tmp_path / "home" / "failing_job.py"


def _failure() -> str:
    with pytest.raises(ValueError, match="no") as caught:
        importlib.import_module("failing_job").fail()
    return error_text(caught.value)


def test_a_traceback_names_the_users_file(failing: Path) -> None:
    """A traceback of a copy, and text that quotes it, name the line in the user's own file."""
    copy = failing.parent.parent / "source" / "failing_job.py"
    assert f'File "{failing}", line 2, in fail' in _failure()
    assert str(copy) not in _failure()
    assert with_own_files(f'in user code:\n  File "{copy}", line 2, in fail  *') == (
        f'in user code:\n  File "{failing}", line 2, in fail  *'
    )


def test_a_traceback_begins_in_the_users_code(failing: Path) -> None:
    """The frames of tunepipe that call the user's code are left out; an error of tunepipe itself keeps all."""
    function = runpy.run_path(str(failing))["fail"]
    with pytest.raises(DataError) as caught:
        load(function)
    assert caught.value.__cause__ is not None
    first = error_text(caught.value.__cause__).splitlines()[1]
    assert first == f'  File "{failing}", line 2, in fail'
    with pytest.raises(DataError) as caught:
        load("nothing")
    caught.value.__traceback__ = caught.value.__traceback__ and caught.value.__traceback__.tb_next
    assert "in load" in error_text(caught.value)


def test_frames_of_the_users_code_are_those_of_an_error_of_tunepipe(failing: Path) -> None:
    """Of an error that tunepipe raises in the user's code, the user's frames are named without those of tunepipe."""
    copy = failing.parent.parent / "source" / "failing_job.py"
    for file in (failing, copy):
        file.write_text(
            "import numpy as np\nfrom pipeline import Split\ndef fail():\n    Split(np.ones(2), np.ones(3))\n"
        )
    with pytest.raises(DataError) as caught:
        runpy.run_path(str(failing))["fail"]()
    text = user_frames_text(caught.value)
    assert f'File "{failing}", line 4, in fail\n    Split(' in text
    assert "__post_init__" not in text
    assert user_frames_text(ValueError("raised nowhere")) == ""


@pytest.mark.parametrize("change", [lambda file: file.write_text("# a line\n"), Path.unlink])
def test_a_file_that_has_changed_is_not_named(failing: Path, change: Callable[[Path], object]) -> None:
    """A traceback names the copy that ran if the user's file has changed or is missing."""
    change(failing)
    copy = failing.parent.parent / "source" / "failing_job.py"
    assert f'File "{copy}", line 2, in fail' in _failure()
