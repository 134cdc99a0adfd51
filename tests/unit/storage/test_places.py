"""Where a path within a folder leads."""

from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.storage.places import files_below, refuse_links_out, refuse_unwritable, steps


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_no_file_can_be_called(text: str) -> None:
    """It is refused, by what it was meant to be."""
    with pytest.raises(StorageError, match=r"^The path .* cannot be used: it must"):
        refuse_unwritable(text, "The path")


def test_steps_of_a_path() -> None:
    """A path below the folder is its parts; one that leads out is refused."""
    assert steps("a/./b", "s") == ("a", "b")
    for path in ("../a", "a/..", "/a"):
        with pytest.raises(StorageError, match="leads out of the storage s"):
            steps(path, "s")


def test_links(tmp_path: Path) -> None:
    """A link within the folder is followed, one that leads out is not; to replace it is no way out."""
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "in").symlink_to("a")
    (root / "out").symlink_to(tmp_path)
    refuse_links_out(root, root / "in" / "x", itself=True)
    refuse_links_out(root, root / "out", itself=False)
    for target, itself in ((root / "out", True), (root / "out" / "x", False)):
        with pytest.raises(StorageError, match=f"by a link to {tmp_path}"):
            refuse_links_out(root, target, itself=itself)


def test_the_files_there_are(tmp_path: Path) -> None:
    """Plain files with their sizes, those in folders too; links are passed over, and nothing is in no folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("12")
    (tmp_path / "link").symlink_to("a/b")
    (tmp_path / "folder").symlink_to("a")
    assert list(files_below(tmp_path)) == [(tmp_path / "a" / "b", 2)]
    assert list(files_below(tmp_path / "none")) == []
