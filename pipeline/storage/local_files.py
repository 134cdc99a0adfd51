"""Files on this machine's file system: written under a temporary name, synced, and renamed; no link is followed out."""

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.storage.paths import (
    Entry,
    entries_below,
    files_below,
    refuse_dangling,
    refuse_links,
    refuse_links_out,
    steps,
)
from pipeline.storage.temporary_names import temporary_name, unfinished

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of file systems without hard links: SMB, buckets mounted as folders, FAT."""


class LocalFiles:
    """Files below a folder. Errors are those of the operating system."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, path: str, *, itself: bool = True) -> Path:
        """The path on the file system for reading."""
        target = self.root.joinpath(*steps(path, str(self.root)))
        refuse_links_out(self.root, target, itself=itself)
        return target

    def writable(self, path: str) -> Path:
        """The path on the file system for writing or deleting: neither it nor a folder above it is a link."""
        target = self.root.joinpath(*steps(path, str(self.root)))
        refuse_links(self.root, target)
        return target

    def exists(self, path: str) -> bool:
        """Whether a file or a folder exists."""
        return self.path(path).exists()

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None for anything else, such as a pipe, whose reading would not end."""
        target = self.path(path)
        return target.stat().st_size if target.is_file() or not target.exists() else None

    def age(self, path: str) -> float:
        """The seconds since a file was written, by the clock of the file system's server."""
        target = self.writable(path)
        while True:
            written, probe = target.stat().st_mtime, _temporary(target)
            try:
                # An empty file has room on a full disk, where a study may be deleted to free some.
                _write_synced(probe, [])
                # The study's driver deletes files of this kind when it begins and when it ends.
                with suppress(FileNotFoundError):
                    return probe.stat().st_mtime - written
            finally:
                probe.unlink(missing_ok=True)

    def sizes(self, folder: str) -> Sequence[tuple[str, int]]:
        """Paths and sizes of all complete files in a folder and its folders."""
        return [
            (path.relative_to(self.root).as_posix(), size)
            for path, size in files_below(self.path(folder))
            if unfinished(path.name) is None
        ]

    def entries(self) -> Sequence[Entry]:
        """Every entry of the folder: links, empty folders and temporary names too."""
        refuse_dangling(self.root)
        return list(entries_below(self.root))

    def folders(self) -> Sequence[str]:
        """Names of the folders directly below; links to folders are among them."""
        # Path.is_dir raises at a link whose target cannot be read.
        return [path.name for path in self.root.iterdir() if os.path.isdir(path)] if self.root.exists() else []  # noqa: PTH112

    def read(self, path: str, most: int | None = None) -> bytes:
        """Read a file."""
        with self.open(path) as file:
            return file.read(-1 if most is None else most)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        return self.path(path).open("rb")

    def write(self, path: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Write a whole file, replacing one that exists."""
        target = self.writable(path)
        _make_folder(target.parent)
        temporary = _temporary(target)
        try:
            size = _write_synced(temporary, pieces)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return size

    def create(self, path: str, content: bytes) -> bool:
        """Write a whole file, unless the file exists; of several simultaneous writers one succeeds."""
        target = self.writable(path)
        _make_folder(target.parent)
        temporary = _temporary(target)
        try:
            _write_synced(temporary, [content])
            # Unlike a rename, a link fails if the name is taken.
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _take_name(target, temporary)
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, which is created if it does not exist."""
        target = self.writable(path)
        # If the file has other names, such as a backup's, they keep the old content.
        if target.exists() and target.stat().st_nlink > 1:
            self.write(path, [self.read(path), content])
            return
        _make_folder(target.parent)
        with target.open("ab") as file:
            file.write(content)

    def delete(self, path: str) -> None:
        """Delete a file, if it exists."""
        self.writable(path).unlink(missing_ok=True)

    def delete_empty_folders(self) -> None:
        """Delete the empty folders below, and then this one if it is empty and not a link."""
        folders = [self.root / entry.path for entry in sorted(self.entries(), key=_path) if entry.kind == "folder"]
        for folder in (*reversed(folders), *([] if self.root.is_symlink() else [self.root])):
            try:
                with suppress(FileNotFoundError):
                    folder.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise


def _make_folder(folder: Path) -> None:
    """Create a folder and those above it, unless they exist."""
    refuse_dangling(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _path(entry: Entry) -> str:
    return entry.path


def _temporary(target: Path) -> Path:
    return target.with_name(temporary_name(target.name))


def _take_name(target: Path, temporary: Path) -> bool:
    """Take a name that must be free, then move a written file to it; returns whether the name was free.

    For a moment the file is there and empty.
    """
    try:
        target.touch(exist_ok=False)
    except FileExistsError:
        return False
    temporary.replace(target)
    return True


def _write_synced(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    """Write a file and sync it; returns its size."""
    size = 0
    with path.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return size
