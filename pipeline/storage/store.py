"""A folder of files, local or in an object store: the only module that other packages read and write files with.

Every file but a log is written whole: under a temporary name, synced, and renamed (object stores show an upload only
when it is complete). What `append` adds to a log may be cut off by a crash. Temporary names never end in .parquet.
Nothing outside of the folder is read, written or deleted, whatever paths and links say, nor is anything written or
deleted through a link in it.
"""

import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import pyarrow as pa
from pyarrow import fs

from pipeline.errors import StorageError
from pipeline.storage.files import (
    Entry,
    delete_empty_folders,
    file_system,
    link_new,
    local_entries,
    object_entries,
    refuse_links,
    refuse_links_out,
    unfinished,
    upload,
    write_local,
)
from pipeline.storage.schema import parquet_bytes, read_parquet
from pipeline.text import is_text

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

_RESTORE = "Restore the file that tunepipe wrote."


class Store:
    """Files under one URI, to be read and written.

    Args:
        uri: A local path, or a URI that pyarrow knows: s3://, gs://, abfs://, file://.
        location: The file system and the path of a URI, where they are known.

    Raises:
        StorageError: The URI cannot be used.
    """

    def __init__(self, uri: str | Path, location: tuple[fs.FileSystem, str] | None = None) -> None:
        self.uri = str(uri)
        if location is None:
            self.uri, location = _located(self.uri)
        self._fs, self._root = location

    @property
    def local(self) -> Path | None:
        """The folder on this machine's file system; None for an object store."""
        return Path(self._root) if isinstance(self._fs, fs.LocalFileSystem) else None

    def folder(self, name: str) -> Self:
        """The files of a folder within this one, which may be a link: a study may be on another disk."""
        path = str(self._joined(name))
        return type(self)(path if self.local else self.uri_of(name), (self._fs, path))

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
        """The path on this machine's file system for writing or deleting, which has no links; None otherwise."""
        if (root := self.local) is None:
            return None
        target = Path(self._joined(path))
        refuse_links(root, target)
        return target

    def exists(self, path: str) -> bool:
        """Whether there is such a file; without a path, whether there is the folder."""
        with self._translated("look at", path):
            kind = self._fs.get_file_info(self._readable(path)).type
        return kind != fs.FileType.NotFound and (not path or kind != fs.FileType.Directory)

    def files(self, folder: str = "") -> list[str]:
        return [path for path, _ in self.sizes(folder)]

    def sizes(self, folder: str) -> list[tuple[str, int]]:
        """Paths of all complete files in a folder and its folders, sorted, each with its size in bytes."""
        found = self.entries(folder)
        return [(entry.path, entry.size) for entry in found if entry.kind == "file" and unfinished(entry.path) is None]

    def entries(self, folder: str = "") -> list[Entry]:
        """Everything in a folder and its folders, sorted by path: links, empty folders and temporary names too."""
        with self._translated("list", folder):
            path, root = self._readable(folder), self.local
            found = object_entries(self._fs, self._root, path) if root is None else local_entries(root, Path(path))
            return sorted(found, key=lambda entry: entry.path)

    def folders(self) -> list[str]:
        """Names of the folders directly below, sorted; links to folders are among them."""
        with self._translated("list", ""):
            if (root := self.local) is not None:
                # Path.is_dir raises at a link whose target cannot be read.
                return sorted(path.name for path in root.iterdir() if os.path.isdir(path)) if root.exists() else []  # noqa: PTH112
            # pyarrow shows no folders of Google's store, and lists all files there in any case.
            found = object_entries(self._fs, self._root, self._root, recursive=self._fs.type_name == "gcs")
        return sorted({each.path.split("/")[0] for each in found if each.kind == "folder" or "/" in each.path})

    def read(self, path: str, *, most: int | None = None) -> bytes:
        """Read a file, which must have at most so many bytes."""
        content = self.read_start(path, None if most is None else most + 1)
        if most is not None and len(content) > most:
            raise StorageError(f"{path} in {self.uri} has more than {most:,} bytes. {_RESTORE}")
        return content

    def read_start(self, path: str, size: int | None) -> bytes:
        """Read the first bytes of a file; None for all of them."""
        with self._translated("read", path), self._open(path) as file:
            return file.read(size)  # type: ignore[arg-type]

    def read_end(self, path: str, most: int) -> tuple[bytes, int]:
        """Read the last bytes of a file; also returns how many are before them."""
        with self._translated("read", path), self._open(path) as file:
            before = max(0, file.seek(0, os.SEEK_END) - most)
            file.seek(before)
            return file.read(most), before

    def pieces(self, path: str) -> Iterator[bytes]:
        with self._translated("read", path), self._open(path) as file:
            while piece := file.read(_PIECE):
                yield piece

    def read_text(self, path: str) -> str:
        """Read a text file; bytes that are not UTF-8 are replaced."""
        return self.read(path).decode(errors="replace")

    def read_json(self, path: str, *, most: int | None = _MAX_JSON) -> Any:
        """Read a JSON file: strict JSON of limited depth."""
        return from_json(self.read(path, most=most), f"{path} in {self.uri}")

    def read_table(self, path: str, columns: Collection[str] | None = None) -> pa.Table:
        """Read a Parquet file, or some of its columns, with the checksums of its pages and its schema's version."""
        return read_parquet(self.read(path), f"{path} in {self.uri}", columns)

    def write(self, path: str, content: bytes | str | Iterable[bytes | memoryview]) -> int:
        """Write a whole file, replacing one that exists; returns its size in bytes."""
        whole = content.encode() if isinstance(content, str) else content
        pieces = [whole] if isinstance(whole, bytes) else whole
        with self._translated("write", path):
            target = self.writable_path(path)
            return upload(self._fs, self._joined(path), pieces) if target is None else write_local(target, pieces)

    def write_table(self, path: str, table: pa.Table) -> None:
        self.write(path, [parquet_bytes(table.schema, [table])])

    def create(self, path: str, content: str) -> bool:
        """Write a whole file, unless the file exists; of several simultaneous writers one succeeds.

        In an object store both may, and the last one's file stays: a driver finds the mark of its lease replaced.
        """
        target = self.writable_path(path)
        if target is None:
            if created := not self.exists(path):
                self.write(path, content)
            return created
        with self._translated("write", path):
            try:
                write_local(target, [content.encode()], link_new)
            except FileExistsError:
                # A folder above may also be a file.
                if not target.exists():
                    raise
                return False
            return True

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, or create it. In an object store the whole file is written again."""
        with self._translated("write", path):
            if (target := self.writable_path(path)) is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("ab") as file:
                    file.write(content)
                return
        before = b""
        with suppress(FileNotFoundError):
            before = self.read(path)
        self.write(path, [before, content])

    def delete(self, path: str) -> None:
        with self._translated("delete", path), suppress(FileNotFoundError):
            if (target := self.writable_path(path)) is not None:
                target.unlink()
            else:
                self._fs.delete_file(self._joined(path))

    def delete_all(self, paths: Sequence[str], check: Callable[[], None] | None = None) -> None:
        """Delete those of some files that exist, in batches; `check` is called before each, and may raise."""
        with ThreadPoolExecutor(_DELETE_BATCH, thread_name_prefix="delete") as pool:
            each = map if self.local is not None else pool.map
            for start in range(0, len(paths), _DELETE_BATCH):
                if check is not None:
                    check()
                for _ in each(self.delete, paths[start : start + _DELETE_BATCH]):
                    pass

    def delete_empty_folders(self, folder: str = "") -> None:
        """Delete the folders where no file is left; in an object store names that files had in common, or markers."""
        with self._translated("delete", folder):
            if (target := self.writable_path(folder)) is not None:
                delete_empty_folders(target)
            elif not any(entry.kind == "file" for entry in self.entries()) and self.exists(""):
                self._fs.delete_dir(self._root)

    def _joined(self, path: str) -> str:
        """A path within the folder, out of which it must not lead, as the file system has it."""
        _refuse_unwritable(path, "The path")
        parts = PurePosixPath(path)
        if ".." in parts.parts or parts.is_absolute():
            raise StorageError(f"The path {path!r} leads out of the storage {self.uri}.")
        return str(PurePosixPath(self._root, parts))

    def _readable(self, path: str) -> str:
        target = self._joined(path)
        if self.local is not None:
            refuse_links_out(self.local, Path(target))
        return target

    def _open(self, path: str) -> BinaryIO:
        target = self._readable(path)
        if self.local is None:
            # A stream would be read in many small requests.
            file: BinaryIO = self._fs.open_input_file(target)
            return file
        # Reading from a pipe would never return.
        if Path(target).exists() and not Path(target).is_file():
            raise StorageError(f"{path} in {self.uri} is not a file. {_RESTORE}")
        return Path(target).open("rb")

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
            raise StorageError(
                f"Cannot {action} {self.uri_of(path)}: {reason}. Fix that, or choose another storage with --storage. "
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


def _refuse_unwritable(text: str, what: str) -> None:
    if "\0" in text or not is_text(text):
        raise StorageError(f"{what} {text!r} cannot be used: it must be UTF-8 text without a NUL character.")


def _located(text: str) -> tuple[str, tuple[fs.FileSystem, str]]:
    """The URI of a storage that a user names, its file system and its path there."""
    _refuse_unwritable(text, "The storage")
    is_uri = _URI.match(text) is not None
    if not is_uri and _ONE_SLASH.match(text):
        raise StorageError(f"The storage {text!r} cannot be used: a URI has two slashes, as in s3://bucket/folder.")
    try:
        if not is_uri:
            folder = Path(text).expanduser().absolute()
            folder = folder.resolve() if ".." in folder.parts else folder
            return str(folder), (fs.LocalFileSystem(), str(folder))
        head, mark, options = text.partition("?")
        return f"{head.rstrip('/')}{mark}{options}", file_system(text)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, RuntimeError) as error:
        raise StorageError(f"The storage {text!r} cannot be used: {str(error).rstrip('.')}.") from None
