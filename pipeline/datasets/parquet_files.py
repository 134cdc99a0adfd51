"""The Parquet files that a job's `data` names: one file, the files of a folder, or those that match a pattern."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import fs

from pipeline.errors import DataError, StorageError
from pipeline.storage import Store
from pipeline.storage.object_files import file_system
from pipeline.storage.parquet_tables import BROKEN

if TYPE_CHECKING:
    import pyarrow.dataset as ds


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a file, which is read as a whole."""

    file: int
    group: int
    rows: int
    first: int


def is_parquet(data: str) -> bool:
    """Whether a job's data are Parquet files, and not a data set's name."""
    return data.partition("?")[0].endswith(".parquet") or is_folder_or_pattern(data)


def is_folder_or_pattern(data: str) -> bool:
    """Whether a job's data are all files of a folder (`folder/`) or of a pattern (`folder/2026-*.parquet`)."""
    path = data.partition("?")[0]
    return path.endswith("/") or "*" in path


def check_files(data: str) -> None:
    """Check that there are files."""
    ParquetFiles.find(data)


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files with the same columns, in the order of their paths. It can be pickled; files are opened when
    read.
    """

    data: str
    root: str
    uri: str | None
    paths: tuple[str, ...]

    @classmethod
    def find(cls, data: str) -> "ParquetFiles":
        """Look for the files that a job's `data` name."""
        path, mark, query = data.partition("?")
        try:
            if not is_folder_or_pattern(data):
                return cls._find_file(data)
            fixed = path if path.endswith("/") else path[: path.index("*")].rpartition("/")[0] + "/"
            folder = "." if fixed == "/" and not path.startswith("/") else fixed
            store = Store(folder.rstrip("/") + mark + query if folder != "/" else folder)
            paths = sorted(filter(_is_data, _parquet_paths(store)))
        except StorageError as error:
            raise _unreadable(data, error) from None
        if not path.endswith("/"):
            pattern = _pattern(path[len(fixed) if folder != "." else 0 :])
            paths = [name for name in paths if pattern.fullmatch(name)]
        if not paths:
            raise DataError(
                f"There are no Parquet files {data} in {store.uri}. The files of a folder are those whose names end in "
                ".parquet. A relative path is relative to the current folder: run the command there, or give an "
                "absolute path."
            )
        root, uri = _root(store)
        return cls(data, root, uri, tuple(f"{root.rstrip('/')}/{name}" for name in paths))

    @classmethod
    def _find_file(cls, data: str) -> "ParquetFiles":
        path, mark, query = data.partition("?")
        folder, slash, name = path.rpartition("/")
        store = Store((folder or slash or ".") + mark + query)
        if store.local is not None:
            # The user's file may be a link.
            try:
                file = (store.local / name).resolve()
                there, paths = file.exists(), (str(file),)
            except (OSError, ValueError) as error:
                # No file can have this name, such as one with a NUL.
                raise DataError(
                    f"There is no data file {data!r}: {getattr(error, 'strerror', None) or error}."
                ) from None
        else:
            there, paths = store.exists(name), (f"{_root(store)[0].rstrip('/')}/{name}",)
        if not there:
            raise DataError(
                f"There is no data file {data} in {store.uri}. A relative path is relative to the current folder: run "
                "the command in the folder of the file, or give an absolute path."
            )
        return cls(data, *_root(store), paths)

    @property
    def many(self) -> bool:
        """Whether they are named by a folder or a pattern."""
        return is_folder_or_pattern(self.data)

    @property
    def name(self) -> str:
        """A name for the data set."""
        path = self.data.partition("?")[0]
        if not self.many:
            return PurePosixPath(path).stem
        return PurePosixPath(self.root).name or "files"

    @cached_property
    def dataset(self) -> "ds.Dataset":
        """The files as one data set of pyarrow's. Folders named `column=value` give a column."""
        import pyarrow.dataset as ds  # which imports pandas

        with self.read():
            opened: ds.Dataset = ds.dataset(
                list(self.paths),
                filesystem=fs.LocalFileSystem() if self.uri is None else file_system(self.uri)[0],
                format="parquet",
                partitioning=ds.partitioning(flavor="hive") if self.many else None,
                partition_base_dir=self.root if self.many else None,
            )
            first, *others = self._fragments_of(opened)
            for path, fragment in zip(self.paths[1:], others, strict=True):
                if not fragment.physical_schema.equals(first.physical_schema):
                    found, other = _in_words(first.physical_schema), _in_words(fragment.physical_schema)
                    raise DataError(
                        f"{path}has different columns from {self.paths[0]}: {other} instead of {found}. All files need "
                        "the same columns of the same types."
                    )
        return opened

    @cached_property
    def fragments(self) -> "Sequence[ds.ParquetFileFragment]":
        """The files, each opened once in this object."""
        return self._fragments_of(self.dataset)

    @cached_property
    def groups(self) -> Sequence[RowGroup]:
        """The row groups of all files, in order, without empty ones."""
        row_groups, first = list[RowGroup](), 0
        with self.read():
            for file, fragment in enumerate(self.fragments):
                for group in range(fragment.num_row_groups):
                    rows = fragment.metadata.row_group(group).num_rows
                    if rows:
                        row_groups.append(RowGroup(file, group, rows, first))
                    first += rows
        return row_groups

    @property
    def rows(self) -> int:
        """Number of rows of all files."""
        return sum(group.rows for group in self.groups)

    @property
    def hash(self) -> str:
        """A hash of the files' footers, which hold the positions, sizes, minima and maxima of all columns."""
        digest = hashlib.sha256()
        with self.read():
            for path, fragment in zip(self.paths, self.fragments, strict=True):
                metadata = fragment.metadata
                shown = [metadata.row_group(group).to_dict() for group in range(metadata.num_row_groups)]
                digest.update(repr((path.removeprefix(self.root), shown)).encode())
        return digest.hexdigest()

    def table(self, group: RowGroup, columns: Sequence[str]) -> pa.Table:
        """The rows of a row group."""
        with self.read():
            fragment = self.fragments[group.file].subset(row_group_ids=[group.group])
            return fragment.to_table(schema=self.dataset.schema, columns=list(columns), use_threads=False)

    @contextmanager
    def read(self) -> Iterator[None]:
        """Turn errors of reading into a DataError."""
        try:
            yield
        except DataError:
            raise
        except FileNotFoundError as error:
            raise DataError(f"A file of the data {self.data} is gone: {error}") from None
        except (PermissionError, IsADirectoryError) as error:
            raise _unreadable(self.data, error) from None
        except BROKEN as error:
            what = f"A file of {self.data}" if self.many else f"The data file {self.data}"
            raise DataError(f"{what} is not a complete Parquet file: {error}") from None

    def _fragments_of(self, opened: "ds.Dataset") -> "list[ds.ParquetFileFragment]":
        """The files of an opened data set, in the order of `paths`."""
        fragments = {fragment.path: fragment for fragment in opened.get_fragments()}
        return [fragments[path] for path in self.paths]

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _root(store: Store) -> tuple[str, str | None]:
    if store.local is not None:
        # The user's folder may be a link.
        return str(store.local.resolve()), None
    return file_system(store.uri)[1], store.uri


def _is_data(path: str) -> bool:
    """Whether a file of a folder holds rows; names that begin with . or _ are those of other tools, as for Spark."""
    return path.endswith(".parquet") and not any(part.startswith((".", "_")) for part in Path(path).parts)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(map(re.escape, text.split("*"))))


def _parquet_paths(store: Store) -> Sequence[str]:
    if store.local is None:
        return store.files()
    # The user's files may be links.
    return [path.relative_to(store.local).as_posix() for path in store.local.rglob("*.parquet") if path.is_file()]


def _in_words(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _unreadable(data: str, error: Exception) -> DataError:
    what = "The data" if is_folder_or_pattern(data) else "The data file"
    return DataError(f"{what} {data} cannot be read: {error.__cause__ or error}")
