"""Parquet files of the user as a data set: loaded, or streamed where they are larger than memory."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
from pyarrow import fs

from pipeline.datasets.base import Dataset, FileRows, Split
from pipeline.datasets.columns import Inputs, check_complete, features, inputs, is_image, is_text, one_hot, plain
from pipeline.errors import DataError, StorageError
from pipeline.storage import Store
from pipeline.storage.object_files import file_system
from pipeline.storage.parquet import BROKEN
from pipeline.text import size

if TYPE_CHECKING:
    import pyarrow.dataset as ds

Rows: TypeAlias = Sequence[np.ndarray]
"""Arrays of the same rows: inputs, then the target."""

_SPLITS = ("train", "validation", "test")
_RULES = (
    "Allowed: one target column, `label` (text, booleans or whole numbers: classes) or `target` "
    "(numbers); an optional column `split` that says train, validation or test for each row; every other "
    "column is an input."
)
_MIN_ROWS = 5
_BUFFER_BYTES = 2**28
_TEXT_OBJECT_BYTES = 58
_HOLDOUT_BLOCK = 2**22
"""Rows that are permuted together, so that the rows of files larger than memory can be divided."""


def is_parquet(data: str) -> bool:
    """Whether a job's data are Parquet files, and not a data set's name."""
    return data.partition("?")[0].endswith(".parquet") or _is_many(data)


def read(data: str, *, memory: float = math.inf, buffer: int | None = None) -> Dataset:
    """Read Parquet files as a data set; docs/data.md says what the columns mean.

    Args:
        data: The path or URI of a file, of a folder with a / at its end, or a pattern with *.
        memory: Bytes that a trial has for data: larger files, and images, are streamed.
        buffer: Rows of the shuffle buffer with which a study began: 0 loads the files, None decides by `memory`.
    """
    files = ParquetFiles.find(data)
    schema = files.dataset.schema
    target = [name for name in ("label", "target") if name in schema.names]
    columns = [name for name in schema.names if name not in ("label", "target", "split")]
    if len(target) != 1 or not columns or len(set(schema.names)) < len(schema.names):
        raise DataError(f"The columns of {data} are {', '.join(schema.names) or 'none'}. {_RULES}")
    if files.rows < _MIN_ROWS:
        raise DataError(f"{data} has {files.rows} rows; at least {_MIN_ROWS} are needed.")
    files.check_complete(columns)
    sizes = files.array_bytes(columns)
    if buffer is None:
        streams = sum(sizes) > memory or any(is_image(schema.field(name).type) for name in columns)
        buffer = _buffer(files, sizes, memory) if streams else 0
    return _stream(files, columns, target[0], buffer) if buffer else _load(files, columns, target[0])


def holdout_mask(rows: int) -> np.ndarray:
    """Which rows are held out for validation: a random fifth of each block of 4,194,304 rows, always the same."""
    held = np.zeros(rows, bool)
    for block, start in enumerate(range(0, rows, _HOLDOUT_BLOCK)):
        length = min(_HOLDOUT_BLOCK, rows - start)
        order = np.random.default_rng([rows, block] if block else rows).permutation(length)
        held[start + order[: length // 5]] = True
    return held


def _load(files: "ParquetFiles", columns: list[str], target: str) -> Dataset:
    with files.read():
        table = files.dataset.to_table()
    x = inputs(table, columns, files.data)
    classes = _classes([table], files) if target == "label" else None
    whole = Split(x, _targets(table, target, classes, files.data))
    if "split" in table.column_names:
        names = _split_names(table.column("split"))
        _check_splits(Counter(names.tolist()), files.data)
    else:
        names = np.where(holdout_mask(table.num_rows), "validation", "train")
    splits: dict[str, Any] = {name: whole.part(rows) for name in _SPLITS if len(rows := np.flatnonzero(names == name))}
    width = {"inputs": x.shape[1]} if isinstance(x, np.ndarray) and x.ndim > 1 else {}
    return Dataset(files.name, **splits, classes=_texts(classes), facts={**width, "columns": columns})


def _stream(files: "ParquetFiles", columns: list[str], target: str, buffer: int) -> Dataset:
    """The splits as streams, after one pass through the columns that define them."""
    named = "split" in files.dataset.schema.names
    read = [*(["label"] if target == "label" else []), *(["split"] if named else [])]
    tables = [files.table(group, read) for group in files.groups] if read else []
    classes = _classes(tables, files) if target == "label" else None
    if named:
        counts = Counter(name for table in tables for name in _split_names(table.column("split")).tolist())
        _check_splits(counts, files.data)
    else:
        held = int(np.count_nonzero(holdout_mask(files.rows)))
        counts = Counter(train=files.rows - held, validation=held)
    splits: dict[str, Any] = {
        name: Stream(files, name, tuple(columns), target, classes, named, rows, min(buffer, rows))
        for name in _SPLITS
        if (rows := counts[name])
    }
    return Dataset(files.name, **splits, classes=_texts(classes), facts={"columns": columns})


@dataclass(frozen=True)
class Stream(FileRows):
    """The rows of a split in Parquet files. It can be pickled; files are opened when they are read."""

    files: "ParquetFiles"
    split: str
    inputs: tuple[str, ...]
    target: str
    classes: np.ndarray | None
    named: bool
    rows: int
    buffer: int

    def batches(self, size: int, seed: int | None = None) -> Iterator[tuple[Inputs, np.ndarray]]:
        """Read an epoch: in the files' order, or by a seed: row groups in random order, then rows within a buffer."""
        if seed is None:
            blocks = self._blocks(np.arange(len(self.files.groups)))
        else:
            generator = np.random.default_rng(seed)
            blocks = _shuffled(self._blocks(generator.permutation(len(self.files.groups))), self.buffer, generator)
        for *columns, target in _batches(blocks, size):
            yield self._joined(columns), target

    def first(self) -> Inputs:
        """The inputs of the first rows, of one row group."""
        return self._joined(next(self._blocks(np.arange(len(self.files.groups))))[:-1])

    @property
    def targets(self) -> int:
        """Numbers in a target."""
        if self.classes is not None:
            return len(self.classes)
        table = self.files.table(self.files.groups[0], [self.target])
        return int(_targets(table, self.target, None, self.files.data).shape[1])

    @property
    def images(self) -> list[str]:
        """Names of the columns that hold images."""
        return [name for name in self.inputs if is_image(self.files.dataset.schema.field(name).type)]

    def description(self) -> dict[str, Any]:
        """What is recorded of it, as JSON values: `sha256` is that of the files' footers."""
        schema = self.files.dataset.schema
        elements = ", ".join(f"{name} ({schema.field(name).type})" for name in (*self.inputs, self.target))
        files = len(self.files.paths)
        return {
            "elements": elements,
            "rows": self.rows,
            "files": files,
            "buffer": self.buffer,
            "sha256": self.files.hash,
        }

    def _joined(self, arrays: Rows) -> Inputs:
        return arrays[0] if len(arrays) == 1 else dict(zip(self.inputs, arrays, strict=True))

    def _blocks(self, groups: np.ndarray) -> Iterator[Rows]:
        """The split's rows, one row group after the other."""
        shapes: list[tuple[int, ...]] = []
        for place in groups:
            table = self._table(self.files.groups[place])
            if not table.num_rows:
                continue
            columns = inputs(table, self.inputs, self.files.data)
            target = _targets(table, self.target, self.classes, self.files.data)
            arrays = [*(columns.values() if isinstance(columns, Mapping) else [columns]), target]
            shapes = shapes or [array.shape[1:] for array in arrays]
            if [array.shape[1:] for array in arrays] != shapes:
                raise DataError(
                    f"Lists in a column of {self.files.data} have different lengths in some row groups; they must all "
                    "have the same length."
                )
            yield arrays

    def _table(self, group: "RowGroup") -> pa.Table:
        table = self.files.table(group, [*self.inputs, self.target, *(["split"] if self.named else [])])
        if self.named:
            return table.filter(pa.array(_split_names(table.column("split")) == self.split))
        bits = self._held_out[group.first // 8 : -(-(group.first + group.rows) // 8)]
        held = np.unpackbits(bits)[group.first % 8 :][: group.rows].astype(bool)
        return table.filter(pa.array(held if self.split == "validation" else ~held))

    @cached_property
    def _held_out(self) -> np.ndarray:
        return np.packbits(holdout_mask(self.files.rows))

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group of a file, which is read as a whole."""

    file: int
    group: int
    rows: int
    first: int


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files with the same columns, in the order of their paths. Can be pickled; files are opened when read."""

    data: str
    root: str
    uri: str | None
    paths: tuple[str, ...]

    @classmethod
    def find(cls, data: str) -> "ParquetFiles":
        """Look for the files that a job's `data` name: one file, the files of a folder, or those of a pattern."""
        path, mark, query = data.partition("?")
        fixed = path if path.endswith("/") else path.partition("*")[0].rpartition("/")[0] + "/"
        folder = "." if fixed == "/" and not path.startswith("/") else fixed
        try:
            store = Store((folder.rstrip("/") or folder) + mark + query)
            # The user's files and folders may be links.
            local = store.local
            root, uri = (str(local.resolve()), None) if local is not None else (file_system(store.uri)[1], store.uri)
            if not _is_many(data):
                name = path.rpartition("/")[2]
                there = (local / name).exists() if local is not None else store.exists(name)
                names = [name] if there else []
            else:
                found = store.files() if local is None else _links_too(local)
                names = sorted(filter(_is_data, found))
        except (StorageError, OSError, ValueError) as error:
            raise _unreadable(data, error) from None
        if "*" in path:
            rest = path[len(fixed) if folder != "." else 0 :]
            pattern = re.compile("[^/]*".join(map(re.escape, rest.split("*"))))
            names = [name for name in names if pattern.fullmatch(name)]
        if not names:
            raise DataError(
                f"There is no data file {data} in {store.uri}; its name must end in .parquet. A relative path is "
                "relative to the current folder: run the command there, or give an absolute path."
            )
        paths = tuple(f"{root.rstrip('/')}/{name}" for name in names)
        if local is not None and not _is_many(data):
            paths = (str(Path(paths[0]).resolve()),)
        return cls(data, root, uri, paths)

    @property
    def name(self) -> str:
        """A name for the data set."""
        path = PurePosixPath(self.root if _is_many(self.data) else self.data.partition("?")[0])
        return path.stem or "files"

    @cached_property
    def dataset(self) -> "ds.Dataset":
        """The files as one data set of pyarrow's. Folders named `column=value` give a column."""
        import pyarrow.dataset as ds  # which imports pandas

        many = _is_many(self.data)
        with self.read():
            opened: ds.Dataset = ds.dataset(
                list(self.paths),
                filesystem=fs.LocalFileSystem() if self.uri is None else file_system(self.uri)[0],
                format="parquet",
                partitioning=ds.partitioning(flavor="hive") if many else None,
                partition_base_dir=self.root if many else None,
            )
            first, *others = self._in_order(opened)
            for path, fragment in zip(self.paths[1:], others, strict=True):
                if not fragment.physical_schema.equals(first.physical_schema):
                    found, other = _in_words(fragment.physical_schema), _in_words(first.physical_schema)
                    raise DataError(
                        f"{path} has the columns {found}, and {self.paths[0]} {other}. All files need the same "
                        "columns of the same types."
                    )
        return opened

    @cached_property
    def groups(self) -> Sequence[RowGroup]:
        """The row groups of all files, in order, without empty ones."""
        row_groups, first = list[RowGroup](), 0
        with self.read():
            for file, fragment in enumerate(self._fragments):
                for group in range(fragment.num_row_groups):
                    if rows := fragment.metadata.row_group(group).num_rows:
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
            for path, fragment in zip(self.paths, self._fragments, strict=True):
                metadata = fragment.metadata
                shown = [metadata.row_group(group).to_dict() for group in range(metadata.num_row_groups)]
                digest.update(repr((path.removeprefix(self.root), shown)).encode())
        return digest.hexdigest()

    def table(self, group: RowGroup, columns: Sequence[str]) -> pa.Table:
        """The rows of a row group."""
        with self.read():
            fragment = self._fragments[group.file].subset(row_group_ids=[group.group])
            return fragment.to_table(schema=self.dataset.schema, columns=list(columns), use_threads=False)

    def check_complete(self, columns: Sequence[str]) -> None:
        """Refuse nulls in columns. Only columns of which a file's footer does not say that it has none are read."""
        for group in self.groups:
            nulls = {name: None for name in columns if name not in self._fragments[group.file].physical_schema.names}
            for name, column in self._footer(group):
                known = column.statistics is not None and column.statistics.has_null_count
                # A list, or another column with parts, is complete if each part is.
                nulls[name] = None if not known or nulls.get(name, 0) is None else column.statistics.null_count
            # Columns that are names of folders are not in the files.
            if doubtful := [name for name in columns if nulls.get(name) != 0]:
                table = self.table(group, doubtful)
                for name in doubtful:
                    check_complete(table.column(name), name, self.data)

    def array_bytes(self, columns: Sequence[str]) -> list[float]:
        """Bytes of the arrays of each row group's inputs, according to the files' footers."""
        schema, sizes = self.dataset.schema, []
        for group in self.groups:
            total = 0.0
            for name, column in self._footer(group):
                type_ = schema.field(name).type
                if name in columns and (is_text(type_) or is_image(type_)):
                    total += column.total_uncompressed_size + _TEXT_OBJECT_BYTES * column.num_values
                elif name in columns:
                    total += 4.0 * column.num_values * (type_.byte_width if pa.types.is_fixed_size_binary(type_) else 1)
            sizes.append(total)
        return sizes

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
            raise DataError(f"A file of the data {self.data} is not a complete Parquet file: {error}") from None

    @cached_property
    def _fragments(self) -> "Sequence[ds.ParquetFileFragment]":
        return self._in_order(self.dataset)

    def _footer(self, group: RowGroup) -> Iterator[tuple[str, Any]]:
        """The parts of a row group, each with the name of its column."""
        with self.read():
            metadata = self._fragments[group.file].metadata.row_group(group.group)
        for place in range(metadata.num_columns):
            column = metadata.column(place)
            yield column.path_in_schema.partition(".")[0], column

    def _in_order(self, opened: "ds.Dataset") -> "list[ds.ParquetFileFragment]":
        fragments = {fragment.path: fragment for fragment in opened.get_fragments()}
        return [fragments[path] for path in self.paths]

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _shuffled(blocks: Iterable[Rows], capacity: int, generator: np.random.Generator) -> Iterator[Rows]:
    """Rows in random order within a buffer: half of a full buffer leaves at a time, chosen at random."""
    held: Rows = []
    for block in blocks:
        held = [np.concatenate(pair) for pair in zip(held, block, strict=True)] if held else block
        while len(held[0]) > capacity:
            order = generator.permutation(len(held[0]))
            leaving = max(1, len(order) - capacity // 2)
            yield [array[order[:leaving]] for array in held]
            held = [array[order[leaving:]] for array in held]
    if held:
        order = generator.permutation(len(held[0]))
        yield [array[order] for array in held]


def _batches(blocks: Iterable[Rows], size: int) -> Iterator[Rows]:
    """The rows in batches; the last batch has the rows that are left."""
    rest: Rows = []
    for block in blocks:
        rows = [np.concatenate(pair) for pair in zip(rest, block, strict=True)] if rest else block
        whole = len(rows[0]) // size * size
        for start in range(0, whole, size):
            yield [array[start : start + size] for array in rows]
        rest = [array[whole:] for array in rows] if whole < len(rows[0]) else []
    if rest:
        yield rest


def _buffer(files: ParquetFiles, sizes: list[float], memory: float) -> int:
    """Rows of the shuffle buffer: a quarter of the memory, since a row group and its arrays need some, too."""
    largest = max(sizes)
    if largest > memory / 2 and math.isfinite(memory):
        group = files.groups[sizes.index(largest)]
        raise DataError(
            f"The data {files.data} are larger than the {size(int(memory))} of memory that a trial has for data, and "
            f"a row group of {files.paths[group.file]}, which is read as a whole, has {size(int(largest))} "
            f"({group.rows:,} rows). Write the files with smaller row groups (row_group_size of "
            "pyarrow.parquet.write_table), or train fewer trials in parallel with --workers."
        )
    return max(1, int(min(_BUFFER_BYTES, memory / 4) / max(1.0, sum(sizes) / files.rows)))


def _targets(table: pa.Table, name: str, classes: np.ndarray | None, where: str) -> np.ndarray:
    column = table.column(name)
    if classes is None:
        return features(column, name, where)
    check_complete(column, name, where)
    return one_hot(np.searchsorted(classes, plain(column).to_numpy()), len(classes))


def _classes(tables: Sequence[pa.Table], files: ParquetFiles) -> np.ndarray:
    """The values of the column of labels, sorted."""
    values: list[Any] = []
    for table in tables:
        check_complete(table.column("label"), "label", files.data)
        column = plain(table.column("label"))
        if not (is_text(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
            raise DataError(
                f"Column 'label' of {files.data} holds {column.type}; classes are text, booleans or whole numbers. "
                "Call the column 'target' if it is a number to predict."
            )
        values.append(column.unique().to_numpy(zero_copy_only=False))
    classes = np.unique(np.concatenate(values))
    if len(classes) < 2 or (classes.dtype.kind in "iu" and len(classes) > max(1000, files.rows // 2)):
        raise DataError(
            f"Column 'label' of {files.data} holds {len(classes)} different values in {files.rows} rows; at least two "
            "classes are needed. Call it 'target' if it is a number to predict, not a class."
        )
    return classes


def _texts(classes: np.ndarray | None) -> list[str]:
    return [] if classes is None else [str(value) for value in classes.tolist()]


def _split_names(column: pa.ChunkedArray) -> np.ndarray:
    """The split of each row; of another type than text, its name: not every value can be converted to Python."""
    column = plain(column)
    return np.asarray(column.to_pylist(), object) if is_text(column.type) else np.array([str(column.type)], object)


def _check_splits(counts: Counter[Any], where: str) -> None:
    if not {"train", "validation"} <= set(counts) <= set(_SPLITS):
        shown = ", ".join(sorted(map(str, counts))[:10])
        raise DataError(
            f"Column 'split' of {where} holds {shown}; each row must have train, validation or test, with at least "
            "one row for train and one for validation."
        )


def _is_many(data: str) -> bool:
    """Whether a job's data are all files of a folder (`folder/`) or of a pattern (`folder/2026-*.parquet`)."""
    path = data.partition("?")[0]
    return path.endswith("/") or "*" in path


def _is_data(path: str) -> bool:
    """Whether a file of a folder holds rows; names that begin with . or _ are those of other tools, as for Spark."""
    return path.endswith(".parquet") and not any(part.startswith((".", "_")) for part in Path(path).parts)


def _links_too(folder: Path) -> Sequence[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet") if path.is_file()]


def _in_words(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


def _unreadable(data: str, error: Exception) -> DataError:
    return DataError(f"The data {data} cannot be read: {error.__cause__ or error}")
