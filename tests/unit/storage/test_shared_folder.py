"""Folders that several processes share until the last of them ends."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.storage.shared_folder import SharedFolder, close_shared_folders, remove_unused, shared_root

_USER = """
import sys
from pipeline.storage.shared_folder import SharedFolder
print(SharedFolder(lambda: sys.argv[1]).path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The machine's folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    close_shared_folders()


def _user(key: str) -> tuple[subprocess.Popen, Path]:
    """Another process that uses a folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _USER, key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_processes_with_the_same_key_share_a_folder(temporary: Path) -> None:
    """Two processes with the same key get the same folder, which the last one to leave removes."""
    folder = SharedFolder(lambda: "study")
    process, path = _user("study")
    assert path == folder.path
    assert path.parent == shared_root() == temporary
    folder.close()
    assert path.is_dir()
    process.communicate("")
    assert list(temporary.iterdir()) == []


def test_other_keys_have_other_folders(temporary: Path) -> None:
    """Different keys have different folders, and a folder in use is not removed."""
    one, other = SharedFolder(lambda: "one"), SharedFolder(lambda: "other")
    assert one.path != other.path
    one.close()
    assert list(temporary.iterdir()) == [other.path]


def test_nothing_is_created_before_the_first_use(temporary: Path) -> None:
    """A folder that no process uses is not created, and its key is not computed."""
    SharedFolder(lambda: pytest.fail("no key is needed")).close()
    assert list(temporary.iterdir()) == []


def test_folders_of_killed_processes_are_removed(temporary: Path) -> None:
    """Creating a folder removes those of killed processes and keeps those in use."""
    killed, left = _user("killed")
    lives, used = _user("lives")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    (left / "content").write_text("x")
    assert sorted(temporary.iterdir()) == sorted([left, used])
    own = SharedFolder(lambda: "own").path
    assert sorted(temporary.iterdir()) == sorted([own, used])
    lives.communicate("")


def test_a_killed_process_leaves_the_folder_to_the_others() -> None:
    """A folder outlives one of its processes that is killed."""
    own = SharedFolder(lambda: "study").path
    process, path = _user("study")
    (path / "content").write_text("x")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    remove_unused()
    assert (own / "content").read_text() == "x"


def test_a_link_in_its_place_is_refused(temporary: Path) -> None:
    """A link with the folder's name, perhaps of another user, is neither used nor removed."""
    folder = SharedFolder(lambda: "study")
    path = folder.path
    folder.close()
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    path.symlink_to(elsewhere)
    with pytest.raises(PermissionError, match="another user"):
        _ = SharedFolder(lambda: "study").path
    assert path.is_symlink()
    assert elsewhere.is_dir()


def test_nothing_is_removed_where_no_temporary_folder_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no temporary folder can be written, as on a full disk, closing shared folders raises no error."""

    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    close_shared_folders()
    assert shared_root() == tmp_path


def test_a_folder_that_is_removed_while_it_is_opened_is_created_again(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that its last user removes just before another process locks it is created again."""
    looked, removed = Path.is_symlink, []

    def is_symlink(path: Path) -> bool:
        if not removed and path.is_dir():
            removed.append(path)
            path.rmdir()
        return looked(path)

    monkeypatch.setattr(Path, "is_symlink", is_symlink)
    folder = SharedFolder(lambda: "study").path
    assert removed == [folder]
    assert folder.is_dir()
