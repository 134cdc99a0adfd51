"""A folder of files, here or far away: the only place that knows where bytes lie.

Every write is whole or not there: a file is written under a temporary name, synced, and renamed (object stores show an
upload only when it is complete). Temporary names never end in .parquet. Nothing outside of the folder is read, written
or deleted, whatever paths and links say.
"""

import errno
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from pyarrow import fs

from pipeline.errors import StorageError
from pipeline.storage.documents import from_json
from pipeline.storage.parquet import foreign, from_parquet, odd_one, part_of, to_parquet
from pipeline.storage.places import files_below, refuse_links_out, refuse_unwritable, steps

__all__ = ["Store"]

_TEMPORARY = ".writing-"
_RETRIES = 5
_MOST_JSON = 10_000_000
"""Bytes: a hundred times what a large space comes to."""


class Store:
    """Files under one URI.

    Args:
        uri: A local path, or a URI that pyarrow knows: s3://, gs://, abfs://, file://.

    Raises:
        StorageError: The URI cannot be used.
    """

    def __init__(self, uri: str | Path) -> None:
        text = str(uri)
        refuse_unwritable(text, "The storage")
        remote = re.match(r"^[a-z][a-z0-9+.-]*://", text, re.IGNORECASE)
        if not remote and re.match(r"^[a-z][a-z0-9+.-]+:/", text, re.IGNORECASE):
            raise StorageError(f"The storage {text!r} cannot be used: a URI has two slashes, as in s3://bucket/folder.")
        try:
            if remote:
                self._fs, root = fs.FileSystem.from_uri(text)
            else:
                self._fs, root = fs.LocalFileSystem(), str(Path(text).expanduser().absolute())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, RuntimeError) as error:
            raise StorageError(f"The storage {text!r} cannot be used: {error}") from None
        self.uri = text.rstrip("/") if remote else root
        self._root = PurePosixPath(root)

    def __repr__(self) -> str:
        return f"Store({self.uri!r})"

    @property
    def local(self) -> Path | None:
        """The folder on this machine's file system; None for an object store."""
        return Path(self._root) if isinstance(self._fs, fs.LocalFileSystem) else None

    def folder(self, name: str) -> "Store":
        """The store of a folder within this one. It may be a link: a study may lie on another disk."""
        if self.local is not None:
            return Store(self._path(name, itself=False))
        self._path(name)
        return Store(self._uri_of(name))

    def _uri_of(self, path: str) -> str:
        """Where something lies; the options of an object store's URI stand at its end."""
        if self.local is not None:
            return f"{self.uri}/{path}"
        head, mark, query = self.uri.partition("?")
        return f"{head.rstrip('/')}/{path}{mark}{query}"

    def exists(self, path: str) -> bool:
        """Whether there is a file or a folder of that name."""
        with self._told("look at", path):
            return bool(self._fs.get_file_info(self._path(path)).type != fs.FileType.NotFound)

    def files(self, folder: str = "") -> list[str]:
        """Paths of all whole files in a folder and its folders, sorted; empty if there is no such folder."""
        return [path for path, _ in self.sizes(folder)]

    def sizes(self, folder: str = "") -> list[tuple[str, int]]:
        """As `files`, each with its size in bytes."""
        with self._told("list", folder):
            if self.local is not None:
                found = [(path.as_posix(), size) for path, size in files_below(Path(self._path(folder)))]
            else:
                selector = fs.FileSelector(self._path(folder), recursive=True, allow_not_found=True)
                infos = self._fs.get_file_info(selector)
                found = [(info.path, int(info.size)) for info in infos if info.type == fs.FileType.File]
        whole = [(PurePosixPath(path), size) for path, size in found]
        return sorted((str(path.relative_to(self._root)), size) for path, size in whole if _TEMPORARY not in path.name)

    def folders(self) -> list[str]:
        """Names of the folders right below, sorted."""
        selector = fs.FileSelector(str(self._root), allow_not_found=True)
        with self._told("list", ""):
            infos = self._fs.get_file_info(selector)
        return sorted(str(info.base_name) for info in infos if info.type == fs.FileType.Directory)

    def read(self, path: str, *, most: int | None = None) -> bytes:
        """A file's content.

        Args:
            path: Where, within the store.
            most: Bytes that it may have; any number unless given.

        Raises:
            FileNotFoundError: There is no such file.
            StorageError: It is larger, or no file.
        """
        with self._told("read", path):
            place = self._path(path)
            if self.local is not None or most is not None:
                self._refuse_odd(path, most)
            with self._fs.open_input_stream(place) as stream:
                return bytes(stream.read())

    def read_json(self, path: str, *, most: int | None = _MOST_JSON) -> Any:
        """A JSON file's value; what is in it is for the caller to look at.

        Args:
            path: Where, within the store.
            most: Bytes that it may have; None for any number.

        Raises:
            FileNotFoundError: There is no such file.
            StorageError: It is not JSON, or beyond the limits of size and depth.
        """
        return from_json(self.read(path, most=most), f"{path} in {self.uri}")

    def read_text(self, path: str) -> str:
        """A text file's content; what is not UTF-8 is replaced."""
        return self.read(path).decode(errors="replace")

    def write(self, path: str, content: bytes | str | Iterable[bytes | memoryview]) -> int:
        """Write a whole file, in place of one that is there.

        Args:
            path: Where, within the store.
            content: Text, bytes, or pieces of bytes to be written one after the other.

        Returns:
            The file's size in bytes.
        """
        pieces = (
            [content.encode()] if isinstance(content, str) else [content] if isinstance(content, bytes) else content
        )
        with self._told("write", path), self._replacing(path) as temporary:
            return sum(self._append(temporary, pieces))

    def create(self, path: str, content: str) -> bool:
        """Write a whole file, unless there is one of that name already.

        An object store cannot promise that two writers at once do not both succeed; the later one's content stands.

        Returns:
            Whether this call made the file.
        """
        if self.local is None:
            if self.exists(path):
                return False
            self.write(path, content)
            return True
        target = Path(self._path(path, itself=False))
        whole = target.with_name(f"{_TEMPORARY}{target.name}-{uuid.uuid4().hex[:8]}")
        with self._told("write", path):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                sum(self._append(str(whole), [content.encode()]))
                # A link, unlike a rename, fails where the name is taken.
                os.link(whole, target)
            except FileExistsError:
                return False
            finally:
                whole.unlink(missing_ok=True)
        return True

    def append(self, path: str, content: bytes) -> None:
        """Add to the end of a file, made where there is none. An object store writes the whole file anew."""
        if self.local is None:
            before = self.read(path) if self.exists(path) else b""
            self.write(path, before + content)
            return
        target = Path(self._path(path))
        with self._told("write", path):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab") as file:
                file.write(content)

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        with self._told("delete", path):
            try:
                self._fs.delete_file(self._path(path, itself=False))
            except FileNotFoundError:
                return

    def delete_folder(self, path: str = "") -> None:
        """Delete a folder with all that is in it, if it is there."""
        with self._told("delete", path):
            try:
                self._fs.delete_dir(self._path(path, itself=False))
            except FileNotFoundError:
                return

    def sweep(self) -> None:
        """Delete what writers that were killed have left unfinished. Nobody else may be writing."""
        if self.local is None:
            return
        with self._told("list", ""):
            left = [path for path, _ in files_below(self.local) if path.name.startswith(_TEMPORARY)]
        for path in left:
            self.delete(str(path.relative_to(self.local)))

    def write_table(self, path: str, table: pa.Table) -> None:
        """Write a table as one Parquet file."""
        self.write(path, [to_parquet(table)])

    def read_table(self, path: str) -> pa.Table:
        """Read a Parquet file, or a folder of parts as one table: columns are united by name.

        A writer may replace parts by a compacted one meanwhile; then the folder is read again.

        Raises:
            FileNotFoundError: There is no such file, and no part in such a folder.
            StorageError: A file is not Parquet, is not of this table, or of a schema version that is not known here.
        """
        for _ in range(_RETRIES):
            paths = [path] if path.endswith(".parquet") else [p for p in self.files(path) if p.endswith(".parquet")]
            if not paths:
                raise FileNotFoundError(path)
            try:
                tables = [self._read_part(part) for part in paths]
            except FileNotFoundError:
                if path.endswith(".parquet"):
                    raise
                continue
            try:
                return pa.concat_tables(tables, promote_options="permissive")
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise foreign(odd_one(paths, tables), self.uri, f"does not fit the other parts: {error}") from None
        raise StorageError(f"The parts of {path} in {self.uri} change faster than they can be read; try again.")

    def _read_part(self, path: str) -> pa.Table:
        return part_of(path, from_parquet(self.read(path), f"{path} in {self.uri}"), self.uri)

    def _refuse_odd(self, path: str, most: int | None) -> None:
        info, told = self._fs.get_file_info(self._path(path)), f"{path} in {self.uri}"
        mend = "Put back the file that tunepipe wrote."
        # Reading from a pipe would wait for ever.
        if info.type not in (fs.FileType.File, fs.FileType.NotFound):
            raise StorageError(f"{told} is not a file. {mend}")
        if most is not None and (info.size or 0) > most:
            raise StorageError(f"{told} has {info.size:,} bytes; it must have at most {most:,}. {mend}")

    def _path(self, path: str, *, itself: bool = True) -> str:
        """Where the path leads; with `itself`, so does the link that may lie there."""
        target = self._root.joinpath(*steps(path, self.uri))
        if self.local is not None:
            refuse_links_out(self.local, Path(target), itself=itself)
        return str(target)

    @contextmanager
    def _replacing(self, path: str) -> Iterator[str]:
        target = self._path(path, itself=False)
        if self.local is None:
            yield target
            return
        parent, name = os.path.split(target)
        Path(parent).mkdir(parents=True, exist_ok=True)
        temporary = f"{parent}/{_TEMPORARY}{name}-{uuid.uuid4().hex[:8]}"
        try:
            yield temporary
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _append(self, target: str, pieces: Iterable[bytes | memoryview]) -> Iterator[int]:
        if self.local is None:
            with self._fs.open_output_stream(target) as stream:
                for piece in pieces:
                    stream.write(piece)
                    yield len(piece)
            return
        with Path(target).open("wb") as file:
            for piece in pieces:
                file.write(piece)
                yield len(piece)
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _told(self, doing: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and doing != "write":
                raise
            reason = error.strerror or str(error)
            where = self._uri_of(path) if path else self.uri
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            mend = "Make room there" if full else "Mend that"
            raise StorageError(
                f"Cannot {doing} {where}: {reason}. {mend}, or choose another place with --storage. A study that has "
                "begun goes on with `tunepipe resume`."
            ) from error
