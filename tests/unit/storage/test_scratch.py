"""Temporary folders, and those that killed processes have left."""

import os
import subprocess
import sys

import pytest

from pipeline.storage.scratch import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The machine's folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def dead():
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_folder_is_there_until_the_end(temporary):
    """Whatever was written in it goes with it."""
    with scratch("ray") as folder:
        (folder / "file").write_text("x")
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_what_a_dead_process_has_left_is_removed(temporary, dead):
    """Of the same purpose and machine; nobody else would do it."""
    with scratch("ray") as folder:
        left = folder.with_name(folder.name.replace(f"-{os.getpid()}-", f"-{dead}-"))
        (left / "below").mkdir(parents=True)
    with scratch("ray") as folder:
        assert list(temporary.iterdir()) == [folder]


def test_what_is_not_known_to_be_left_stays(temporary, dead):
    """Of a living process, of another purpose or machine, with a name of somebody else's, or a link."""
    with scratch("ray") as one:
        start = one.name.partition(f"-{os.getpid()}-")[0]
        others = [
            temporary / f"tunepipe-ray-elsewhere-{dead}-x",
            temporary / f"tunepipe-check-{start.removeprefix('tunepipe-ray-')}-{dead}-x",
            temporary / f"{start}-{os.getppid()}-x",
            temporary / f"{start}-somebody",
            temporary / f"{start}-{'9' * 30}-x",
        ]
        for other in others:
            other.mkdir()
        link = temporary / f"{start}-{dead}-x"
        link.symlink_to(others[0])
        with scratch("ray") as two:
            assert set(temporary.iterdir()) == {one, two, link, *others}
