"""Temporary folders, and those of killed processes."""

import subprocess
import sys

import pytest

from pipeline.storage.scratch import SharedFolder, close_shared_folders, scratch


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_exists_until_the_end(temporary):
    with scratch("ray") as folder:
        (folder / "file").write_text("x")
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_process_is_removed_when_it_was_killed(temporary):
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from pipeline.storage.scratch import scratch\n"
        "with scratch('ray') as folder: (folder / 'x').touch(); print(folder, flush=True); input()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, str(temporary)], stdin=pipe, stdout=pipe, text=True) as process:
        left = process.stdout.readline().strip()
        with scratch("check") as folder:
            assert {str(path) for path in temporary.iterdir()} == {str(folder), left}
        process.kill()
        process.wait()
    with scratch("check") as folder:
        assert list(temporary.iterdir()) == [folder]


def test_other_folders_are_kept(temporary):
    with scratch("ray") as one:
        others = [temporary / name for name in ("tunepipe-ray-elsewhere-0-x", "tunepipe-somebody")]
        for other in others:
            other.mkdir()
        link = temporary / f"{one.name}-link"
        link.symlink_to(others[0])
        with scratch("ray") as two:
            assert set(temporary.iterdir()) == {one, two, link, *others}


def test_a_shared_folder_is_removed_by_the_last_that_uses_it(temporary):
    first, second = (SharedFolder(lambda: "key") for _ in range(2))
    assert first.path == second.path != SharedFolder(lambda: "other").path
    assert first.path.stat().st_mode & 0o777 == 0o700
    folder = first.path
    first.close()
    assert folder.is_dir()
    second.close()
    assert not folder.exists()
    close_shared_folders()
    assert list(temporary.iterdir()) == []
