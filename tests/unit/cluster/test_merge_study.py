"""What a downloaded study may replace."""

import json
import os

import pytest

from pipeline.cluster.merge_study import merge_study
from pipeline.errors import ClusterError, StorageError
from pipeline.storage import Store


def brought(folder, began: str, state: str = "finished"):
    """A study that began at some time, with the state of its first session."""
    (folder / "sessions").mkdir(parents=True)
    (folder / "sessions/0001.json").write_text(session(began, state))
    return folder


def session(began: str, state: str = "finished") -> str:
    """The file of a first session."""
    return json.dumps({"mark": f"mark of {began}", "started": began, "state": state})


def test_files_of_an_earlier_download_are_replaced(tmp_path):
    """A newer download of the same study replaces the older files and keeps other files."""
    brought(tmp_path / "here", "monday")
    newer = brought(tmp_path / "newer", "monday")
    (newer / "trials.parquet").write_text("more")
    (newer / "epochs").mkdir()
    (newer / "epochs/all-0002.parquet").write_text("rows of both parts")
    here = Store(tmp_path / "here")
    for path in ("epochs/part-0001-000001.parquet", "checkpoints/0000/000001.ckpt", "epochs/mine.parquet", "notes.txt"):
        here.write(path, "here")
    merge_study(newer, tmp_path / "here")
    assert {path: here.read_text(path) for path in here.files()} == {
        "checkpoints/0000/000001.ckpt": "here",
        "epochs/all-0002.parquet": "rows of both parts",
        "epochs/mine.parquet": "here",
        "notes.txt": "here",
        "sessions/0001.json": session("monday"),
        "trials.parquet": "more",
    }


@pytest.mark.parametrize("last", range(9))
def test_a_download_that_is_cut_off_is_continued(tmp_path, monkeypatch, last):
    """A download that was killed anywhere is completed by the next one, and no reader takes its beginning for whole."""
    newer, files = (
        brought(tmp_path / "newer", "monday"),
        {"study.json": "{}", "source/job.py": "JOB", "logs/0000.log": ""},
    )
    for path, text in files.items():
        (newer / path).parent.mkdir(exist_ok=True)
        (newer / path).write_text(text)
    replace, done = os.replace, []

    def killed(source, target):
        if len(done) == last // 2:
            # Before the file has its name, or just after.
            if last % 2:
                replace(source, target)
            monkeypatch.setattr(os, "unlink", lambda *_: None)
            raise KeyboardInterrupt
        done.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    here = Store(tmp_path / "here")
    if last < 8:
        with pytest.raises(KeyboardInterrupt):
            merge_study(newer, tmp_path / "here")
        assert last == 7 or not here.exists("study.json")
    monkeypatch.undo()
    merge_study(newer, tmp_path / "here")
    assert {path: here.read_text(path) for path in here.files()} == {**files, "sessions/0001.json": session("monday")}


def test_a_study_that_ran_is_downloaded_again(tmp_path):
    """A download replaces the copy of a study that still ran, although its session's file has changed since."""
    here = brought(tmp_path / "here", "monday", "running")
    merge_study(brought(tmp_path / "newer", "monday", "interrupted"), here)
    assert (here / "sessions/0001.json").read_text() == session("monday", "interrupted")


def test_a_download_follows_no_link(tmp_path):
    """A download neither writes through a local link nor copies links or untracked files from the volume."""
    brought(tmp_path / "here", "monday")
    newer = brought(tmp_path / "newer", "monday")
    (newer / "trials.parquet").symlink_to("sessions/0001.json")
    (newer / "notes.txt").write_text("theirs")
    merge_study(newer, tmp_path / "here")
    assert Store(tmp_path / "here").files() == ["sessions/0001.json"]
    (tmp_path / "outside").mkdir()
    (tmp_path / "here/epochs").symlink_to(tmp_path / "outside")
    with pytest.raises(StorageError, match="are links: "):
        merge_study(newer, tmp_path / "here")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_different_study_of_the_same_name_is_kept(tmp_path):
    """A download of a different study with the same name is refused with a remedy, and both studies are kept."""
    here, other = brought(tmp_path / "here", "monday"), brought(tmp_path / "other", "tuesday")
    with pytest.raises(ClusterError, match=r"here holds another study.*--to"):
        merge_study(other, here)
    assert (here / "sessions/0001.json").read_text() == session("monday")
    assert other.exists()
