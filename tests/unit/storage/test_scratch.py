"""Temporary folders, and those of killed processes."""

import os
import subprocess
import sys

import pytest

from pipeline.storage.scratch import scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_folder_exists_until_the_end(temporary):
    with scratch("ray") as folder:
        (folder / "file").write_text("x")
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_folders_of_a_dead_process_are_removed(temporary, dead):
    with scratch("ray") as folder:
        left = folder.with_name(folder.name.replace(f"-{os.getpid()}-", f"-{dead}-"))
        (left / "below").mkdir(parents=True)
    with scratch("ray") as folder:
        assert list(temporary.iterdir()) == [folder]


def test_other_folders_are_kept(temporary, dead):
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
