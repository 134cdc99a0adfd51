"""A folder of files, local or in an object store: where it is, what is in it, and what its files hold.

Nothing outside of the folder is read, whatever paths and links say.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from pipeline.errors import StorageError
from pipeline.storage.documents import from_json
from pipeline.storage.local_files import LocalFiles
from pipeline.storage.location import Location
from pipeline.storage.os_errors import Action, translated_errors
from pipeline.storage.parts import Parts, read_parts
from pipeline.storage.paths import Entry

_PIECE = 1 << 20
"""Bytes of a large file that are in memory at a time."""
_MAX_JSON = 10_000_000
"""Bytes; a hundred times the size of a large space."""


class StoredFiles:
    """Files under one URI, to be read."""

    def __init__(self, uri: str | Path | Location) -> None:
        self._location = uri if isinstance(uri, Location) else Location.of(str(uri))
        self._files, self.uri = self._location.files, self._location.uri

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    @property
    def local(self) -> Path | None:
        """The folder on this machine's file system; None for an object store."""
        return self._files.root if isinstance(self._files, LocalFiles) else None

    @property
    def place(self) -> str:
        """What tells the folder from a copy of it; a folder of this machine keeps it where it is renamed."""
        if not isinstance(self._files, LocalFiles):
            # Not the URI, which may contain keys.
            return self._files.path("")
        with self._translated("look at", ""):
            status = self._files.root.stat()
        return f"{status.st_dev}:{status.st_ino}"

    def folder(self, name: str) -> Self:
        """The files of a folder within this one. The folder may be a link: a study may be on another disk."""
        if isinstance(self._files, LocalFiles):
            return type(self)(self._files.path(name, itself=False))
        return type(self)(Location(self.uri_of(name), self._files.within(name)))

    def uri_of(self, path: str) -> str:
        """The path or URI of a file or folder within this one."""
        return self._location.uri_of(path)

    def exists(self, path: str) -> bool:
        """Whether a file or a folder exists."""
        with self._translated("look at", path):
            return self._files.exists(path)

    def files(self, folder: str = "") -> list[str]:
        """The paths of all complete files in a folder and its folders, sorted; empty if the folder does not exist."""
        return [path for path, _ in self.sizes(folder)]

    def sizes(self, folder: str = "") -> list[tuple[str, int]]:
        """Paths of all complete files in a folder and its folders, sorted, each with its size in bytes."""
        with self._translated("list", folder):
            return sorted(self._files.sizes(folder))

    def entries(self) -> list[Entry]:
        """Every entry of the folder, sorted by path: links, empty folders and temporary names too."""
        with self._translated("list", ""):
            return sorted(self._files.entries(), key=lambda entry: entry.path)

    def link(self) -> str | None:
        """The target of the folder itself if it is a link; None if it is not."""
        return os.fspath(self.local.readlink()) if self.local is not None and self.local.is_symlink() else None

    def folders(self) -> list[str]:
        """Names of the folders directly below, sorted."""
        with self._translated("list", ""):
            return sorted(self._files.folders())

    def read(self, path: str, *, most: int | None = None) -> bytes:
        """Read a file."""
        with self._reading(path, most):
            # Of an object, the size is asked only where it is refused: that is one request more.
            content = self._files.read(path, None if most is None else most + 1)
            if most is not None and len(content) > most:
                self._refuse_unreadable(path, most)
            return content

    def read_start(self, path: str, size: int) -> bytes:
        """Read the start of a file."""
        with self._reading(path):
            return self._files.read(path, size)

    def read_end(self, path: str, most: int) -> tuple[bytes, int]:
        """Read the end of a file."""
        with self._reading(path), self._files.open(path) as file:
            before = max(0, file.seek(0, os.SEEK_END) - most)
            file.seek(before)
            return file.read(most), before

    def pieces(self, path: str) -> Iterator[bytes]:
        """Read a file of any size piece by piece."""
        with self._reading(path), self._files.open(path) as file:
            while piece := file.read(_PIECE):
                yield piece

    def read_json(self, path: str, *, most: int | None = _MAX_JSON) -> Any:
        """Read a JSON file."""
        return from_json(self.read(path, most=most), f"{path} in {self.uri}")

    def read_text(self, path: str) -> str:
        """Read a text file; bytes that are not UTF-8 are replaced."""
        return self.read(path).decode(errors="replace")

    def read_table(self, path: str) -> pa.Table:
        """Read a Parquet file, or a folder of parts as one table with the columns united by name."""
        return read_parts(path, self.uri, self.files, self.read)

    def parts(self, folder: str) -> Parts:
        """The parts of a table in a folder, to be read some rows at a time while no other process replaces them."""
        return Parts(folder, self.uri, self.files, self.read)

    def _translated(self, action: Action, path: str) -> AbstractContextManager[None]:
        return translated_errors(action, self.uri_of(path))

    @contextmanager
    def _reading(self, path: str, most: int | None = None) -> Iterator[None]:
        """Translate errors of reading a file; refuse what is not a file, and a file that is too large."""
        with self._translated("read", path):
            # Each object is a file.
            if self.local is not None:
                self._refuse_unreadable(path, most)
            yield

    def _refuse_unreadable(self, path: str, most: int | None) -> None:
        size, name = self._files.size(path), f"{path} in {self.uri}"
        advice = "Restore the file that tunepipe wrote."
        # Reading from a pipe would never return.
        if size is None:
            raise StorageError(f"{name} is not a file. {advice}")
        if most is not None and size > most:
            raise StorageError(f"{name} has {size:,} bytes; it must have at most {most:,}. {advice}")
