"""The entries of a study's folder: its own and all others; and where a user's output may go."""

from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.study.contents import (
    check_output,
    contents,
    sweep,
)

OWN = [
    "study.json",
    "sessions/0001.json",
    "files/0001/any/depth.bin",
    "source/job.py",
    "logs/.writing-0001.log-0a1b2c3d",
]
UNTRACKED = [
    "notes.txt",
    "export/my_notes.txt",
    "checkpoints/0000/notes.txt",
    "source/mine.py",
    ".writing-my-novel-0a1b2c3d",
]


_STUDY = '{"schema_version": 1, "job": {}, "sources": {"roots": [], "files": {"job.py": "00"}}}'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "s")
    for path in OWN:
        store.write(path, _STUDY)
    return store


def test_the_layout_separates_a_study_from_other_files(store: Store) -> None:
    for path in UNTRACKED:
        store.write(path, "words")
    found = contents(store)
    assert sorted(entry.path for entry in found.own) == sorted(OWN)
    assert sorted(entry.path for entry in found.untracked) == sorted(UNTRACKED)


@pytest.mark.parametrize("begun", [".writing-study.json-0a1b2c3d", "sessions/.writing-0001.json-0a1b2c3d"])
def test_without_a_session_or_a_specification_nothing_belongs_to_a_study(tmp_path: Path, begun: str) -> None:
    store = Store(tmp_path / "s")
    named = ["trials.parquet", "report.html", "files/0001/data.bin"]
    for path in [*named, begun]:
        store.write(path, "mine")
    found = contents(store)
    assert sorted(entry.path for entry in found.untracked) == sorted(named)
    assert [entry.path for entry in found.own] == [begun]
    store.write("sessions/0001.json", "{}")
    assert contents(store).untracked == []


def test_unfinished_files_are_swept(store: Store) -> None:
    store.write(".writing-my-novel-0a1b2c3d", "mine")
    sweep(store)
    left = {entry.path for entry in store.entries() if entry.kind == "file"}
    assert left == {*OWN[:-1], ".writing-my-novel-0a1b2c3d"}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "studies" / "s"
    for name in ("export", "epochs", "files/0000"):
        (folder / name).mkdir(parents=True)
    (folder / "study.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    "path",
    [
        "study.json",
        "epochs/all-0001.parquet",
        "export/model.keras",
        "files/0000/x.csv",
        "epochs/../export/../x.csv",
    ],
)
def test_a_file_in_a_study_is_refused(study: Path, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study.parent)
    (tmp_path / "linked").symlink_to(study)
    for named in (study / path, Path("s") / path, tmp_path / "linked" / path):
        with pytest.raises(StorageError, match=r"is within the study .*only report\.html and new files in export/"):
            check_output(named)


@pytest.mark.parametrize("path", ["s/report.html", "s/export/table.csv", "s/export/mine/x.csv", "x.csv", "../x.csv"])
def test_a_file_beside_a_study_is_accepted(study: Path, path: str) -> None:
    check_output(study.parent / path)


@pytest.mark.parametrize("path", ["", "export", "epochs", "files/0000", "checkpoints/0009", "new"])
def test_a_folder_in_a_study_is_refused(study: Path, path: str) -> None:
    with pytest.raises(StorageError, match="is within the study"):
        check_output(study / path)
