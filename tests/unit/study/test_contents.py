"""The entries of a study's folder: its own and all others."""

import json
import os
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.study.contents import contents, listed_entries, refuse_links, sweep

OWN = [
    "study.json",
    "report.html",
    "trials.parquet",
    "sessions/0001.json",
    "epochs/part-0001-000001.parquet",
    "decisions/all-0002.parquet",
    "checkpoints/0001/000003.ckpt",
    "logs/0001.log",
    "files/0001/any/depth.bin",
    "source/job.py",
    "checkpoints/0001/.writing-000003.ckpt-0a1b2c3d",
]
UNTRACKED = [
    "thesis/chapter.tex",
    "notes.txt",
    "export/my_notes.txt",
    "checkpoints/mine/thesis.docx",
    "checkpoints/0000/notes.txt",
    "checkpoints/0000/1.ckpt",
    "checkpoints/00000/000001.ckpt",
    "source/private_key",
    "source/.env",
    "logs/0000.log.txt",
    "logs/mine.log",
    "sessions/0001.json.bak",
    "epochs/part-1.parquet",
    "epochs/mine.parquet",
    "decisions/notes",
    "files/mine.txt",
    "files/mine/notes.txt",
    ".writing-my-novel-0a1b2c3d",
    "export/.writing-notes.txt-0a1b2c3d",
    "study.json.orig",
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "s")
    for path in OWN:
        store.write(path, "{}")
    return store


def test_the_layout_separates_a_study_from_other_files(store: Store) -> None:
    for path in UNTRACKED:
        store.write(path, "words")
    found = contents(store)
    assert sorted(entry.path for entry in found.own) == sorted(OWN)
    assert sorted(entry.path for entry in found.untracked) == sorted(UNTRACKED)


def test_only_recorded_copies_belong_to_the_study(store: Store) -> None:
    document = {"schema_version": 1, "job": {}, "sources": {"roots": [], "files": {"job.py": "0" * 64}}}
    store.write("study.json", json.dumps(document))
    store.write("source/analysis.py", "mine")
    assert [entry.path for entry in contents(store).untracked] == ["source/analysis.py"]


@pytest.mark.parametrize("begun", [".writing-study.json-0a1b2c3d", "sessions/.writing-0001.json-0a1b2c3d"])
def test_without_a_session_or_a_specification_nothing_belongs_to_a_study(tmp_path: Path, begun: str) -> None:
    store = Store(tmp_path / "s")
    named = ["trials.parquet", "source/job.py", "report.html", "files/0001/data.bin"]
    for path in [*named, begun]:
        store.write(path, "mine")
    found = contents(store)
    assert sorted(entry.path for entry in found.untracked) == sorted(named)
    assert [entry.path for entry in found.own] == [begun]
    store.write("sessions/0001.json", "{}")
    assert contents(store).untracked == []


def test_links_pipes_and_empty_folders_are_not_the_studys(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept.txt").write_text("kept")
    (folder / "a-folder").mkdir()
    (folder / "export").mkdir()
    os.mkfifo(folder / "b-pipe")
    (folder / "checkpoints/0002").symlink_to(tmp_path / "elsewhere")
    assert sorted(map(str, contents(store).untracked)) == [
        "a-folder/",
        "b-pipe",
        f"checkpoints/0002 (a link to {tmp_path}/elsewhere)",
    ]


@pytest.mark.parametrize(
    ("path", "refused"), [("epochs", True), ("report.html", True), ("notes.txt", False), ("files/0001/data", False)]
)
def test_a_link_in_place_of_a_file_is_refused(tmp_path: Path, path: str, refused: bool) -> None:
    store = Store(tmp_path / "s")
    store.write("study.json", "{}")
    link = tmp_path / "s" / path
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    if refused:
        with pytest.raises(StorageError, match=rf"are links: {path} \(a link to {tmp_path}/elsewhere\)\. Links within"):
            refuse_links(store)
    else:
        refuse_links(store)


def test_unfinished_files_are_swept(store: Store) -> None:
    store.write(".writing-my-novel-0a1b2c3d", "mine")
    sweep(store)
    left = {entry.path for entry in store.entries() if entry.kind == "file"}
    assert left == {*OWN[:-1], ".writing-my-novel-0a1b2c3d"}


def test_a_name_in_a_list_stays_on_its_line(store: Store) -> None:
    store.write("logs/a\nDeleted everything.\x1b[2J", "mine")
    assert listed_entries(contents(store).untracked) == r"logs/a\nDeleted everything.\x1b[2J"
