"""An error of the user's code as text."""

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.execution.worker.failures import advice, failure_text


def _raised(error: BaseException, code: Any = None) -> BaseException:
    """The error with a traceback."""
    try:
        if code is not None:
            exec(code, {"error": error})
        raise error
    except BaseException as caught:
        return caught


def test_the_first_line_is_a_sentence_and_the_traceback_follows() -> None:
    """A failure's text begins with the error and, if known, a remedy, and the traceback follows."""
    error = _raised(ValueError("no such layer"))
    first, *rest = failure_text(error, "").splitlines()
    assert first == "ValueError: no such layer"
    assert rest[0] == ""
    assert rest[1] == "Traceback (most recent call last):"
    assert rest[-1] == "ValueError: no such layer"
    assert failure_text(error, "Take another.").splitlines()[0] == "ValueError: no such layer. Take another."


def test_further_lines_of_a_message_stay() -> None:
    """Further lines of an error's message are kept between the sentence and the traceback."""
    assert failure_text(_raised(ValueError("one.\ntwo\nthree")), "Do it.").splitlines()[:4] == [
        "ValueError: one. Do it.",
        "two",
        "three",
        "",
    ]


def test_other_shapes_of_a_generator_have_advice(tmp_path: Path) -> None:
    """TensorFlow's error about a batch of another shape is reported with what to do about the generator."""
    text = (
        "Graph execution error:\nTypeError: `generator` yielded an element of shape (8, 6) where another was expected."
    )
    assert "output_signature" in advice(_raised(ValueError(text)), started_in=tmp_path, shared=None)


def _missing(name: str | bytes) -> BaseException:
    return _raised(FileNotFoundError(2, "No such file", name))


def test_a_file_beside_the_start_is_named(tmp_path: Path) -> None:
    """The advice on a missing file names the folder where the study was started if the file is there."""
    (tmp_path / "values.txt").write_text("1")
    for name in ("values.txt", b"values.txt"):
        reported = advice(_missing(name), started_in=tmp_path, shared=None)
        assert reported.startswith(f"The file is in {tmp_path}, where the study was started")
    assert advice(_missing("other.txt"), started_in=tmp_path, shared=None) == ""
    assert advice(_missing(os.fspath(tmp_path / "values.txt")), started_in=tmp_path, shared=None) == ""


@pytest.mark.parametrize(
    ("error", "code", "reported"),
    [
        (OSError("is a folder"), None, True),
        (ValueError("x"), None, False),
        (ValueError("x"), compile("raise error", "/x/keras/src/callbacks/backup.py", "exec"), True),
        (ValueError("x"), compile("raise error", "/x/my_callbacks.py", "exec"), False),
    ],
)
def test_a_shared_path_is_named_where_it_may_be_the_reason(
    tmp_path: Path, error: BaseException, code: Any, reported: bool
) -> None:
    """The advice on an error names a shared path if the error is the system's or was raised within a callback."""
    shared = "BackupAndRestore writes to /x."
    assert advice(_raised(error, code), started_in=tmp_path, shared=shared) == (shared if reported else "")
    assert advice(_raised(error, code), started_in=tmp_path, shared=None) == ""
