"""A folder of files, local or in an object store: the only module that other packages read and write files with.

Every file but a log is written whole: under a temporary name, synced, and renamed (object stores show an upload only
when it is complete). What `append` adds to a log may be cut off by a crash. Temporary names never end in .parquet.
Nothing outside of the folder is read, written or deleted, whatever paths and links say, nor is anything written or
deleted through a link in it.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

from pipeline.errors import StorageError
from pipeline.storage.files import (
    Entry,
    LocalFiles,
    ObjectFiles,
    file_system,
    refuse_unwritable,
    unfinished,
    with_defaults,
)
from pipeline.storage.parquet import read_parquet, to_parquet

_PIECE = 1 << 20
"""Bytes of a large file that are in memory at a time."""
_MAX_JSON = 10_000_000
"""Bytes; a hundred times the size of a large space."""
_DEEPEST = 100
"""Levels of a JSON document: far below the depth at which a recursive function fails in Python."""
_DELETE_BATCH = 16
"""Files of a batch; the client of S3 opens 25 connections at most."""

_URI = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ONE_SLASH = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
_PLAIN = "/:@!$&'()*+,;="
"""Characters that a path in a URI may have, besides letters and digits."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_RESTORE = "Restore the file that tunepipe wrote."


class Store:
    """Files under one URI, to be read and written.

    Args:
        uri: A local path, or a URI that pyarrow knows: s3://, gs://, abfs://, file://.

    Raises:
        StorageError: The URI cannot be used.
    """

    def __init__(self, uri: str | Path, files: LocalFiles | ObjectFiles | None = None) -> None:
        self.uri = str(uri)
        if files is None:
            self.uri, files = _located(self.uri)
        self._files = files

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    @property
    def local(self) -> Path | None:
        """The folder on this machine's file system; None for an object store."""
        return self._files.root if isinstance(self._files, LocalFiles) else None

    def folder(self, name: str) -> Self:
        """The files of a folder within this one, which may be a link: a study may be on another disk."""
        if isinstance(self._files, LocalFiles):
            return type(self)(self._files.path(name, itself=False))
        files = self._files.within(name)
        return type(self)(self.uri_of(name), files)

    def uri_of(self, path: str) -> str:
        """The path or URI of a file or folder within this one; the options of a URI stay at its end."""
        if not path:
            return self.uri
        if self.local is not None:
            # A question mark in a path is part of a name.
            return f"{self.uri}/{path}"
        head, mark, options = self.uri.partition("?")
        return f"{head}/{quote(path, _PLAIN)}{mark}{options}"

    def writable_path(self, path: str) -> Path | None:
        return self._files.writable(path) if isinstance(self._files, LocalFiles) else None

    def exists(self, path: str) -> bool:
        with self._translated("look at", path):
            return self._files.exists(path)

    def files(self, folder: str = "") -> list[str]:
        return [path for path, _ in self.sizes(folder)]

    def sizes(self, folder: str = "") -> list[tuple[str, int]]:
        """Paths of all complete files in a folder and its folders, sorted, each with its size in bytes."""
        found = self.entries(folder)
        return [(entry.path, entry.size) for entry in found if entry.kind == "file" and unfinished(entry.path) is None]

    def entries(self, folder: str = "") -> list[Entry]:
        """Everything in a folder and its folders, sorted by path: links, empty folders and temporary names too."""
        with self._translated("list", folder):
            return sorted(self._files.entries(folder), key=lambda entry: entry.path)

    def folders(self) -> list[str]:
        with self._translated("list", ""):
            return sorted(self._files.folders())

    def read(self, path: str, *, most: int | None = None) -> bytes:
        """Read a file, which must have at most so many bytes."""
        content = self.read_start(path, None if most is None else most + 1)
        if most is not None and len(content) > most:
            raise StorageError(f"{path} in {self.uri} has more than {most:,} bytes. {_RESTORE}")
        return content

    def read_start(self, path: str, size: int | None) -> bytes:
        """Read the first bytes of a file; None for all of them."""
        with self._translated("read", path), self._files.open(path) as file:
            return file.read(size)  # type: ignore[arg-type]

    def read_end(self, path: str, most: int) -> tuple[bytes, int]:
        """Read the last bytes of a file; also returns how many are before them."""
        with self._translated("read", path), self._files.open(path) as file:
            before = max(0, file.seek(0, os.SEEK_END) - most)
            file.seek(before)
            return file.read(most), before

    def pieces(self, path: str) -> Iterator[bytes]:
        with self._translated("read", path), self._files.open(path) as file:
            while piece := file.read(_PIECE):
                yield piece

    def read_text(self, path: str) -> str:
        """Read a text file; bytes that are not UTF-8 are replaced."""
        return self.read(path).decode(errors="replace")

    def read_json(self, path: str, *, most: int | None = _MAX_JSON) -> Any:
        """Read a JSON file: strict JSON of limited depth."""
        return from_json(self.read(path, most=most), f"{path} in {self.uri}")

    def read_table(self, path: str) -> pa.Table:
        """Read a Parquet file, or those of a folder as one table with the columns united by name."""
        if path.endswith(".parquet"):
            return read_parquet(self.read(path), f"{path} in {self.uri}")
        parts = [self.read_table(found) for found in self.files(path) if found.endswith(".parquet")]
        return pa.concat_tables(parts, promote_options="permissive")

    def write(self, path: str, content: bytes | str | Iterable[bytes | memoryview]) -> int:
        """Write a whole file, replacing one that exists; returns its size in bytes."""
        whole = content.encode() if isinstance(content, str) else content
        with self._translated("write", path):
            return self._files.write(path, [whole] if isinstance(whole, bytes) else whole)

    def write_table(self, path: str, table: pa.Table) -> None:
        self.write(path, [to_parquet(table)])

    def create(self, path: str, content: str) -> bool:
        """Write a whole file, unless the file exists; of several simultaneous writers one succeeds."""
        with self._translated("write", path):
            return self._files.create(path, content.encode())

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, or create it. In an object store the whole file is written again."""
        with self._translated("write", path):
            self._files.append(path, content)

    def delete(self, path: str) -> None:
        with self._translated("delete", path):
            self._files.delete(path)

    def delete_all(self, paths: Sequence[str], check: Callable[[], None] | None = None) -> None:
        """Delete those of some files that exist, in batches; an object store deletes the files of a batch in parallel.

        `check` is called before each batch; an error that it raises ends the deletion.
        """
        with ThreadPoolExecutor(_DELETE_BATCH, thread_name_prefix="delete") as pool:
            each = map if self.local is not None else pool.map
            for start in range(0, len(paths), _DELETE_BATCH):
                if check is not None:
                    check()
                for _ in each(self.delete, paths[start : start + _DELETE_BATCH]):
                    pass

    def delete_empty_folders(self) -> None:
        with self._translated("delete", ""):
            self._files.delete_empty_folders()

    @contextmanager
    def _translated(self, action: str, path: str) -> Iterator[None]:
        """Replace an error of the system's or the store's by one that says what failed where, and what to do."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            # pyarrow has no class for an error of Azure's client; its subclasses are other errors.
            of_azure = type(error) is pa.ArrowException
            missing = isinstance(error, FileNotFoundError) and action != "write"
            if not (of_azure or isinstance(error, OSError)) or missing:
                raise
            reason = (getattr(error, "strerror", None) or str(error)).removesuffix(".")
            advice = "Free some space there" if getattr(error, "errno", None) in _FULL else "Fix that"
            raise StorageError(
                f"Cannot {action} {self.uri_of(path)}: {reason}. {advice}, or choose another storage with --storage. "
                "`tunepipe resume` continues a study that has started."
            ) from error


def from_json(content: bytes, name: str) -> Any:
    """The value of a JSON file of unknown origin: strict JSON of limited depth."""
    try:
        document = json.loads(content.decode(), parse_constant=_refuse_constant)
        level = [document]
        for _ in range(_DEEPEST):
            level = [item for value in level for item in _items(value)]
        if level:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{name} is not JSON: {error}. {_RESTORE}") from None
    return document


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _located(text: str) -> tuple[str, LocalFiles | ObjectFiles]:
    """The URI of a storage that a user names, and its files."""
    refuse_unwritable(text, "The storage")
    is_uri = _URI.match(text) is not None
    if not is_uri and _ONE_SLASH.match(text):
        raise StorageError(f"The storage {text!r} cannot be used: a URI has two slashes, as in s3://bucket/folder.")
    try:
        if not is_uri:
            folder = Path(text).expanduser().absolute()
            folder = folder.resolve() if ".." in folder.parts else folder
            return str(folder), LocalFiles(folder)
        system, root = file_system(text)
        head, mark, options = text.partition("?")
        files = LocalFiles(Path(root)) if isinstance(system, fs.LocalFileSystem) else ObjectFiles(system, root)
        return f"{head.rstrip('/')}{mark}{options}", files
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, RuntimeError) as error:
        reason = str(error).replace(with_defaults(text), text).rstrip(".")
        raise StorageError(f"The storage {text!r} cannot be used: {reason}.") from None
