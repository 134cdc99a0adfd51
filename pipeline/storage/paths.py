"""Paths within a folder, and the entries in it; no path or link leads out of the folder."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pipeline.errors import StorageError


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a folder."""

    path: str
    kind: Literal["file", "folder", "link", "other"]
    size: int = 0
    target: str = ""

    def __str__(self) -> str:
        if self.kind == "link":
            return f"{self.path} (a link to {self.target})"
        return f"{self.path}/" if self.kind == "folder" else self.path


def refuse_unwritable(text: str, what: str) -> None:
    """Refuse a name that no file can have."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StorageError(f"{what} {text!r} cannot be used: it must be text that can be written as UTF-8.") from None
    if "\0" in text:
        raise StorageError(f"{what} {text!r} cannot be used: it must not contain a NUL character.")


def steps(path: str, where: str) -> tuple[str, ...]:
    """The parts of a path within a folder."""
    refuse_unwritable(path, "The path")
    parts = PurePosixPath(path).parts
    if ".." in parts or PurePosixPath(path).is_absolute():
        raise StorageError(f"The path {path!r} leads out of the storage {where}.")
    return parts


def refuse_links_out(root: Path, target: Path, *, itself: bool) -> None:
    """Refuse a path that a link takes out of a folder. The folder itself may be a link."""
    if target == root:
        return
    real = Path(os.path.realpath(target if itself else target.parent))
    if not real.is_relative_to(os.path.realpath(root)):
        raise StorageError(
            f"The path {str(target.relative_to(root))!r} leads out of the storage {root}, by a link to {real}. "
            "Copy the link's target into its place."
        )


def refuse_links(root: Path, target: Path) -> None:
    """Refuse a path that is a link or leads through one. The folder itself may be a link.

    A write or delete there would change a file outside the study, or the link itself.
    """
    path = str(root)
    for step in target.relative_to(root).parts:
        path = os.path.join(path, step)  # noqa: PTH118  A study deletes many thousands of files.
        if os.path.islink(path):  # noqa: PTH114
            link = Path(path)
            raise StorageError(
                f"{str(target.relative_to(root))!r} in {root} can be neither written nor deleted: "
                f"{link.relative_to(root)} is a link to {link.readlink()}, and no link within a study is followed. "
                "Replace the link by its target, or remove it."
            )


def refuse_dangling(folder: Path) -> None:
    """Refuse a folder that cannot be created, because a link in its path leads to nothing."""
    for path in (folder, *folder.parents):
        if os.path.exists(path):  # noqa: PTH110 (Path.exists raises where it may not look)
            return
        if path.is_symlink():
            raise StorageError(
                f"{path} is a link to {path.readlink()}, which does not exist. Nothing was written. Create that "
                "folder, or remove the link."
            )


def entries_below(folder: Path) -> Iterator[Entry]:
    """Every entry below a folder, of any kind; links are not followed."""
    for parent, folders, names in os.walk(folder, onerror=_fail):
        for name in (*folders, *names):
            path = Path(parent, name)
            try:
                status = path.lstat()
                target = os.fspath(path.readlink()) if stat.S_ISLNK(status.st_mode) else ""
            except FileNotFoundError:
                continue
            relative = path.relative_to(folder).as_posix()
            if target:
                yield Entry(relative, "link", target=target)
            elif stat.S_ISDIR(status.st_mode):
                yield Entry(relative, "folder")
            elif stat.S_ISREG(status.st_mode):
                yield Entry(relative, "file", status.st_size)
            else:
                yield Entry(relative, "other")


def files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every plain file below a folder, with its size in bytes; links are neither followed nor listed."""
    for parent, _, names in os.walk(folder, onerror=_fail):
        for name in names:
            path = Path(parent, name)
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status.st_size


def _fail(error: OSError) -> None:
    # A file may disappear while its folder is listed.
    if not isinstance(error, FileNotFoundError):
        raise error
