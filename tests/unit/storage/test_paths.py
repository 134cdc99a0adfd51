"""Paths within a folder."""

from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.storage.paths import files_below, refuse_dangling, refuse_links_out, refuse_unwritable, steps


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_an_impossible_name_is_refused(text: str) -> None:
    """A name that no file can have is refused with the purpose of the name."""
    with pytest.raises(StorageError, match=r"^The path .* cannot be used: it must"):
        refuse_unwritable(text, "The path")


def test_steps_of_a_path() -> None:
    """A path below the folder is split into its parts, and one that leads out is refused."""
    assert steps("a/./b", "s") == ("a", "b")
    for path in ("../a", "a/..", "/a"):
        with pytest.raises(StorageError, match="leads out of the storage s"):
            steps(path, "s")


def test_links(tmp_path: Path) -> None:
    """A link to a place within the folder is followed; one that leads out is refused for reading and replacing."""
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "in").symlink_to("a")
    (root / "out").symlink_to(tmp_path)
    refuse_links_out(root, root / "in" / "x", itself=True)
    refuse_links_out(root, root / "out", itself=False)
    for target, itself in ((root / "out", True), (root / "out" / "x", False)):
        with pytest.raises(StorageError, match=f"by a link to {tmp_path}"):
            refuse_links_out(root, target, itself=itself)


def test_files_below_a_folder(tmp_path: Path) -> None:
    """Plain files are listed with their sizes, even in subfolders; links are skipped, a missing folder has none."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("12")
    (tmp_path / "link").symlink_to("a/b")
    (tmp_path / "folder").symlink_to("a")
    assert list(files_below(tmp_path)) == [(tmp_path / "a" / "b", 2)]
    assert list(files_below(tmp_path / "none")) == []


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    """A folder that is or contains a dangling link in its path is refused with the link and its target."""
    (tmp_path / "link").symlink_to("gone")
    for folder in (tmp_path / "link", tmp_path / "link" / "a" / "b"):
        with pytest.raises(StorageError, match=f"{tmp_path}/link is a link to gone, which does not exist"):
            refuse_dangling(folder)
    refuse_dangling(tmp_path / "new" / "a")
    (tmp_path / "gone").mkdir()
    refuse_dangling(tmp_path / "link" / "a")
