"""A folder of files, local or in an object store: the only module that other packages read and write files with.

Every file but a log is written whole: under a temporary name, synced, and renamed (object stores show an upload only
when it is complete). What `append` adds to a log may be cut off by a crash. Temporary names never end in .parquet.
Nothing outside of the folder is written or deleted, whatever paths and links say, nor anything through a link in it.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from pipeline.storage.local_files import LocalFiles
from pipeline.storage.parquet_tables import parquet_pieces, to_parquet
from pipeline.storage.stored_files import StoredFiles

_DELETE_BATCH = 16
"""Files of a batch; the client of S3 opens 25 connections at most."""


class Store(StoredFiles):
    """Files under one URI, to be read and written.

    Args:
        uri: A local path, or a URI that pyarrow knows: s3://, gs://, abfs://, file://; or the location that it names.

    Raises:
        StorageError: The URI cannot be used.
        StorageUnreachable: The server that says where it is does not answer now.
    """

    def writable_path(self, path: str) -> Path | None:
        """The path on this machine's file system to write to; None for an object store.

        Args:
            path: The path within the store.

        Raises:
            StorageError: The path leads out of the folder, or is a link or below one.
        """
        return self._files.writable(path) if isinstance(self._files, LocalFiles) else None

    def age(self, path: str) -> float:
        """The seconds since a file was written, by the storage's own clock, to which this machine's may not be set.

        A file is written next to it and deleted, to find out what time it is there.

        Args:
            path: The path within the store.

        Raises:
            FileNotFoundError: The file does not exist.
            StorageError: The storage cannot be written.
        """
        with self._translated("look at", path):
            return self._files.age(path)

    def write(self, path: str, content: bytes | str | Iterable[bytes | memoryview]) -> int:
        """Write a whole file, replacing one that exists.

        Args:
            path: The path within the store.
            content: Text, bytes, or pieces of bytes to write one after the other.

        Returns:
            The file's size in bytes.
        """
        pieces = (
            [content.encode()] if isinstance(content, str) else [content] if isinstance(content, bytes) else content
        )
        with self._translated("write", path):
            return self._files.write(path, pieces)

    def create(self, path: str, content: str) -> bool:
        """Write a whole file, unless the file exists; of several simultaneous writers one succeeds.

        Args:
            path: The path within the store.
            content: The text.

        Returns:
            Whether this call created the file.
        """
        with self._translated("write", path):
            return self._files.create(path, content.encode())

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, which is created if it does not exist. In an object store the whole file is written again.

        Args:
            path: The path within the store.
            content: The bytes to append.
        """
        with self._translated("write", path):
            self._files.append(path, content)

    def delete(self, path: str) -> None:
        """Delete a file, if it exists.

        Args:
            path: The path within the store.
        """
        with self._translated("delete", path):
            self._files.delete(path)

    def delete_all(self, paths: Sequence[str], check: Callable[[], None] | None = None) -> None:
        """Delete those of some files that exist, in batches; an object store deletes the files of a batch in parallel.

        Args:
            paths: Their paths within the store, in the order of their batches.
            check: Called before each batch; an error that it raises ends the deletion.

        Raises:
            StorageError: A file cannot be deleted; any of its batch may be deleted or not, and no later one is.
        """
        with ThreadPoolExecutor(_DELETE_BATCH, thread_name_prefix="delete") as pool:
            each = map if self.local is not None else pool.map
            for start in range(0, len(paths), _DELETE_BATCH):
                if check is not None:
                    check()
                for _ in each(self.delete, paths[start : start + _DELETE_BATCH]):
                    pass

    def delete_empty_folders(self) -> None:
        """Delete the empty folders below, and then this one if it is empty and not a link.

        Raises:
            StorageError: A folder cannot be deleted.
        """
        with self._translated("delete", ""):
            self._files.delete_empty_folders()

    def write_table(self, path: str, table: pa.Table) -> None:
        """Write a table as one Parquet file.

        Args:
            path: The path within the store.
            table: The table.
        """
        self.write(path, [to_parquet(table)])

    def write_tables(self, path: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
        """Write tables as one Parquet file, one after the other; only one of them is in memory at a time.

        Args:
            path: The path within the store.
            schema: The schema of the tables.
            tables: The tables, made one after the other.
        """
        self.write(path, parquet_pieces(schema, tables))
