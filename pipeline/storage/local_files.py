"""Files on this machine's file system: written under a temporary name, synced, and renamed; no link is followed out."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import StorageError
from pipeline.storage.paths import Entry, steps, temporary, unfinished

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of file systems without hard links: SMB, buckets mounted as folders, FAT."""


class LocalFiles:
    """Files below a folder. Errors are those of the operating system."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, path: str, *, itself: bool = True) -> Path:
        """The path on the file system for reading: no link leads out. The folder itself may be a link."""
        target = self.root.joinpath(*steps(path, str(self.root)))
        real = target if target == self.root else Path(os.path.realpath(target if itself else target.parent))
        if target != self.root and not real.is_relative_to(os.path.realpath(self.root)):
            raise StorageError(
                f"The path {str(target.relative_to(self.root))!r} leads out of the storage {self.root}, by a link to "
                f"{real}. Copy the link's target into its place."
            )
        return target

    def writable(self, path: str) -> Path:
        """The path on the file system for writing or deleting: neither it nor a folder above it is a link."""
        place, target = str(self.root), self.root.joinpath(*steps(path, str(self.root)))
        for step in target.relative_to(self.root).parts:
            place = os.path.join(place, step)  # noqa: PTH118  A study deletes many thousands of files.
            if os.path.islink(place):  # noqa: PTH114
                link = Path(place)
                raise StorageError(
                    f"{path!r} in {self.root} can be neither written nor deleted: {link.relative_to(self.root)} is a "
                    f"link to {link.readlink()}, and no link within a study is followed. Replace the link by its "
                    "target, or remove it."
                )
        return target

    def exists(self, path: str) -> bool:
        return self.path(path).exists()

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None for anything else, such as a pipe, whose reading would not end."""
        target = self.path(path)
        return target.stat().st_size if target.is_file() or not target.exists() else None

    def age(self, path: str) -> float:
        """The seconds since a file was written, by the clock of the file system's server."""
        target = self.writable(path)
        while True:
            written, probe = target.stat().st_mtime, Path(temporary(str(target)))
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
        _refuse_dangling(self.root)
        entries = []
        for path, status in _walk(self.root, folders=True):
            name = path.relative_to(self.root).as_posix()
            if stat.S_ISLNK(status.st_mode):
                with suppress(FileNotFoundError):
                    entries.append(Entry(name, "link", target=os.fspath(path.readlink())))
            elif stat.S_ISREG(status.st_mode):
                entries.append(Entry(name, "file", status.st_size))
            else:
                entries.append(Entry(name, "folder" if stat.S_ISDIR(status.st_mode) else "other"))
        return entries

    def folders(self) -> Sequence[str]:
        """Names of the folders directly below; links to folders are among them."""
        # Path.is_dir raises at a link whose target cannot be read.
        return [path.name for path in self.root.iterdir() if os.path.isdir(path)] if self.root.exists() else []  # noqa: PTH112

    def read(self, path: str, most: int | None = None) -> bytes:
        with self.open(path) as file:
            return file.read(-1 if most is None else most)

    def open(self, path: str) -> BinaryIO:
        return self.path(path).open("rb")

    def write(self, path: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Write a whole file, replacing one that exists; returns its size."""
        target, written = self._prepared(path)
        try:
            size = _write_synced(written, pieces)
            written.replace(target)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
        return size

    def create(self, path: str, content: bytes) -> bool:
        """Write a whole file, unless the file exists; of several simultaneous writers one succeeds."""
        target, written = self._prepared(path)
        try:
            _write_synced(written, [content])
            try:
                # Unlike a rename, a link fails if the name is taken.
                os.link(written, target)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # For a moment the file is there and empty.
                target.touch(exist_ok=False)
                written.replace(target)
        except FileExistsError:
            return False
        finally:
            written.unlink(missing_ok=True)
        return True

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, which is created if it does not exist."""
        target = self.writable(path)
        _make_folder(target.parent)
        with target.open("ab") as file:
            file.write(content)

    def delete(self, path: str) -> None:
        self.writable(path).unlink(missing_ok=True)

    def delete_empty_folders(self) -> None:
        """Delete the empty folders below, and then this one if it is empty and not a link."""
        below = sorted((self.root / entry.path for entry in self.entries() if entry.kind == "folder"), reverse=True)
        for folder in (*below, *([] if self.root.is_symlink() else [self.root])):
            try:
                with suppress(FileNotFoundError):
                    folder.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    def _prepared(self, path: str) -> tuple[Path, Path]:
        """The path of a file to write, whose folder exists, and the temporary one."""
        target = self.writable(path)
        _make_folder(target.parent)
        return target, Path(temporary(str(target)))


def files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every plain file below a folder, with its size in bytes; links are neither followed nor listed."""
    return ((path, status.st_size) for path, status in _walk(folder) if stat.S_ISREG(status.st_mode))


def _walk(folder: Path, *, folders: bool = False) -> Iterator[tuple[Path, os.stat_result]]:
    for parent, below, names in os.walk(folder, onerror=_fail):
        for name in (*(below if folders else ()), *names):
            path = Path(parent, name)
            # A file may disappear while its folder is listed.
            with suppress(FileNotFoundError):
                yield path, path.lstat()


def _fail(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _make_folder(folder: Path) -> None:
    _refuse_dangling(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _refuse_dangling(folder: Path) -> None:
    """Refuse a folder that cannot be created, because a link in its path leads to nothing."""
    for path in (folder, *folder.parents):
        if os.path.exists(path):  # noqa: PTH110 (Path.exists raises where it may not look)
            return
        if path.is_symlink():
            raise StorageError(
                f"{path} is a link to {path.readlink()}, which does not exist. Nothing was written. Create that "
                "folder, or remove the link."
            )


def _write_synced(path: Path, pieces: Iterable[bytes | memoryview]) -> int:
    size = 0
    with path.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return size
