"""Trials whose code reads files of the folder in which the study was started."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.messages import Assignment
from pipeline.execution.worker.start_folder import StartFolder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of the start, with files, and a trial's own."""
    start, own = tmp_path / "start", tmp_path / "own"
    (start / "images").mkdir(parents=True)
    own.mkdir()
    for name in ("images/0.png", "rows.csv", "my rows.csv"):
        (start / name).write_text("1")
    return start, own


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (RuntimeError("Graph execution error:\n\nimages/0.png; No such file or directory\n\t [[{{node R}}]]"), True),
        (ValueError("File not found: filepath=rows.csv. Please ensure that it exists."), True),
        (FileNotFoundError(2, "No such file or directory", "my rows.csv"), True),
        (FileNotFoundError("Unable to open file (name = 'rows.csv', errno = 2)"), True),
        (ValueError("No files match `file_pattern` rows.csv."), True),
        (RuntimeError("Summarized data: b'No files matched pattern: images/*.png'"), True),
        (RuntimeError("Summarized data: b'No files matched pattern: images/*.jpg'"), False),
        (ValueError("File not found: model.keras. It must be one of *.csv, '*.csv' and *.keras."), False),
        (FileNotFoundError(2, "No such file or directory", "other.csv"), False),
        (FileNotFoundError(2, "No such file or directory", "/rows.csv"), False),
        (ValueError("rows.csv has a column too many."), False),
        (KeyError("images"), False),
        (ValueError("The layer 'x' was not found in images."), False),
        (FileNotFoundError(2, "No such file or directory", "a\0b"), False),
        (ValueError("not found: " + "x" * 5000 + "/y"), False),
    ],
)
def test_a_file_of_the_start_is_found_in_the_error(
    folders: tuple[Path, Path], error: BaseException, found: bool
) -> None:
    """A relative path in an error about a missing file leads to the folder of the start, if the file is there."""
    start, own = folders
    place = StartFolder(start)
    assert (place.use(error, own) is not None) == found
    assert place.directory == (start if found else None)


def test_causes_count(folders: tuple[Path, Path]) -> None:
    """The error that another one hides counts, and a file that the trial's folder has does not."""
    start, own = folders
    outer = RuntimeError("The layer failed.")
    outer.__cause__ = FileNotFoundError(2, "No such file or directory", "rows.csv")
    assert StartFolder(start).use(outer, own) == "rows.csv"
    (own / "rows.csv").write_text("2")
    assert StartFolder(start).use(outer, own) is None


def _trial(own: Path, *, epoch: int, saved: int, **fields: Any) -> Any:
    assignment = Assignment("0000", {}, 0, **{name.removeprefix("at_"): value for name, value in fields.items()})
    return SimpleNamespace(assignment=assignment, epoch=epoch, saved_epoch=saved, folder=SimpleNamespace(folder=own))


@pytest.mark.parametrize(
    ("epoch", "saved", "fields", "begins_again"),
    [
        (0, -1, {}, True),
        (3, 3, {}, True),
        (3, -1, {"at_epoch": 3}, True),
        (3, 2, {}, False),
        (3, -1, {"task": "finish"}, True),
    ],
)
def test_no_epoch_is_lost(
    folders: tuple[Path, Path], epoch: int, saved: int, fields: dict[str, Any], begins_again: bool
) -> None:
    """A trial begins again at its newest checkpoint or at its start, and fails where it would lose an epoch."""
    start, own = folders
    error = FileNotFoundError(2, "No such file or directory", "rows.csv")
    note = StartFolder(start).needed(_trial(own, epoch=epoch, saved=saved, **fields), error)
    assert (note is not None) == begins_again
    if note is not None:
        assert f"a trial reads rows.csv by a relative path, so trials work in {start}" in note


def test_a_file_that_was_not_missing_changes_nothing(folders: tuple[Path, Path]) -> None:
    """Where a trial fails with the same error in the folder of the start, the next ones have their own folders."""
    start, own = folders
    place, trial = StartFolder(start), _trial(own, epoch=0, saved=-1)
    error = ValueError("The column 'rows.csv' was not found.")
    assert place.needed(trial, error) is not None
    assert place.needed(trial, error) is None
    assert place.directory is None


def test_another_error_keeps_the_folder(folders: tuple[Path, Path]) -> None:
    """A trial that reads the file and then fails leaves trials in the folder of the start."""
    start, own = folders
    place, trial = StartFolder(start), _trial(own, epoch=0, saved=-1)
    assert place.needed(trial, FileNotFoundError(2, "No such file or directory", "rows.csv")) is not None
    assert place.needed(trial, ValueError("The loss is not finite.")) is None
    assert place.directory == start


def test_it_happens_once(folders: tuple[Path, Path]) -> None:
    """A trial that fails in the folder of the start, too, has failed."""
    start, own = folders
    error = FileNotFoundError(2, "No such file or directory", "rows.csv")
    place, trial = StartFolder(start), _trial(own, epoch=0, saved=-1)
    assert place.needed(trial, error) is not None
    assert place.needed(trial, error) is None
