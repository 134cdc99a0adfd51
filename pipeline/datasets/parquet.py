"""Parquet files of the user as a data set: loaded, or streamed where they are larger than memory."""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from pipeline.datasets.base import Dataset, FileRows, Split
from pipeline.datasets.columns import Inputs, check_complete, features, inputs, is_text, one_hot, plain
from pipeline.errors import DataError, StorageError
from pipeline.storage import Store
from pipeline.storage.files import file_system
from pipeline.storage.schema import BROKEN
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
_OTHERS = re.compile(r"/[._]")
_HOLDOUT_BLOCK = 2**22
"""Rows that are permuted together, so that the rows of files larger than memory can be divided."""


def is_parquet(data: str) -> bool:
    """Whether a job's data are Parquet files, and not a data set's name."""
    return data.partition("?")[0].endswith((".parquet", "/"))


def read(data: str, *, memory: float = math.inf, buffer: int | None = None) -> Dataset:
    """Read Parquet files as a data set; docs/data.md says what the columns mean.

    Args:
        data: The path or URI of a file, or of a folder with a / at its end.
        memory: Bytes that a trial has for data: larger files are streamed.
        buffer: Rows of the shuffle buffer with which a study began: 0 loads the files, None decides by `memory`.
    """
    files = ParquetFiles.find(data)
    schema = files.dataset.schema
    target = [name for name in ("label", "target") if name in schema.names]
    columns = tuple(name for name in schema.names if name not in ("label", "target", "split"))
    if len(target) != 1 or not columns or len(set(schema.names)) < len(schema.names):
        raise DataError(f"The columns of {data} are {', '.join(schema.names) or 'none'}. {_RULES}")
    if files.rows < _MIN_ROWS:
        raise DataError(f"{data} has {files.rows} rows; at least {_MIN_ROWS} are needed.")
    if buffer is None:
        sizes = files.array_bytes(columns)
        buffer = _buffer(files, sizes, memory) if sum(sizes) > memory else 0
    classes = _classes(files) if target[0] == "label" else None
    counts = dict(zip(_SPLITS, np.bincount(files.codes, minlength=3).tolist(), strict=True))
    splits: dict[str, Any] = {
        name: Stream(files, name, columns, target[0], classes, rows, min(buffer, rows))
        for name, rows in counts.items()
        if rows
    }
    facts: dict[str, Any] = {"columns": list(columns)}
    if not buffer:
        stream = splits["train"]
        arrays = [
            np.concatenate(parts)
            for parts in zip(*stream.blocks(range(len(files.groups)), all_splits=True), strict=True)
        ]
        whole = Split(stream.joined(arrays[:-1]), arrays[-1])
        splits = {name: whole.part(np.flatnonzero(files.codes == _SPLITS.index(name))) for name in splits}
        if isinstance(whole.x, np.ndarray) and whole.x.ndim > 1:
            facts["inputs"] = whole.x.shape[1]
    return Dataset(
        files.name, **splits, classes=[] if classes is None else list(map(str, classes.tolist())), facts=facts
    )


def holdout_mask(rows: int) -> np.ndarray:
    """Which rows are held out for validation: a random fifth of each block of 4,194,304 rows, always the same."""
    held = np.zeros(rows, bool)
    for block, start in enumerate(range(0, rows, _HOLDOUT_BLOCK)):
        length = min(_HOLDOUT_BLOCK, rows - start)
        order = np.random.default_rng([rows, block] if block else rows).permutation(length)
        held[start + order[: length // 5]] = True
    return held


@dataclass(frozen=True)
class Stream(FileRows):
    """The rows of a split in Parquet files. It can be pickled; files are opened when they are read."""

    files: "ParquetFiles"
    split: str
    inputs: tuple[str, ...]
    target: str
    classes: np.ndarray | None
    rows: int
    buffer: int

    def batches(self, size: int, seed: Any = None) -> Iterator[tuple[Inputs, np.ndarray]]:
        """Read an epoch: in the files' order, or by a seed: row groups in random order, then rows within a buffer."""
        groups = np.arange(len(self.files.groups))
        if seed is None:
            blocks = self.blocks(groups)
        else:
            generator = np.random.default_rng(seed)
            blocks = _shuffled(self.blocks(generator.permutation(groups)), self.buffer, generator)
        for *columns, target in _batches(blocks, size):
            yield self.joined(columns), target

    def description(self) -> dict[str, Any]:
        """What is recorded of it, as JSON values: `sha256` is that of the files' footers."""
        schema, files = self.files.dataset.schema, self.files
        elements = ", ".join(f"{name} ({schema.field(name).type})" for name in (*self.inputs, self.target))
        facts = {"rows": self.rows, "files": len(files.paths), "buffer": self.buffer, "sha256": files.hash}
        return {"elements": elements, **facts}

    def joined(self, arrays: Rows) -> Inputs:
        """The inputs as a model takes them: one array, or arrays by the names of their columns."""
        return arrays[0] if len(arrays) == 1 else dict(zip(self.inputs, arrays, strict=True))

    def blocks(self, groups: Iterable[int], *, all_splits: bool = False) -> Iterator[Rows]:
        """The split's rows, one row group after the other."""
        shapes: list[tuple[int, ...]] = []
        for place in groups:
            table = self.files.table(place, [*self.inputs, self.target])
            if not all_splits:
                first = self.files.starts[place]
                of_split = self.files.codes[first : first + table.num_rows] == _SPLITS.index(self.split)
                table = table.filter(pa.array(of_split))
            if not table.num_rows:
                continue
            columns = inputs(table, self.inputs, self.files.data)
            column = table.column(self.target)
            if self.classes is None:
                target = features(column, self.target, self.files.data)
            else:
                target = one_hot(np.searchsorted(self.classes, plain(column).to_numpy()), len(self.classes))
            arrays = [*(columns.values() if isinstance(columns, Mapping) else [columns]), target]
            shapes = shapes or [array.shape[1:] for array in arrays]
            if [array.shape[1:] for array in arrays] != shapes:
                raise DataError(f"Lists in a column of {self.files.data} have different lengths in some row groups.")
            yield arrays


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files with the same columns, in the order of their paths. Can be pickled; files are opened when read."""

    data: str
    root: str
    uri: str | None
    """The place of an object store; None for local files."""
    paths: tuple[str, ...]

    @classmethod
    def find(cls, data: str) -> "ParquetFiles":
        """Look for the files that a job's `data` name: one file, or those of a folder with a / at its end.

        In a folder, names that begin with . or _ are those of other tools, as for Spark.
        """
        path, mark, query = data.partition("?")
        folder, slash, name = path.rpartition("/")
        try:
            # The store knows the spellings of a place: ~, file:// and URIs of object stores.
            store = Store((folder or slash or ".") + mark + query)
            root, uri = (str(store.local), None) if store.local is not None else (file_system(store.uri)[1], store.uri)
            root = root.rstrip("/")
            place = f"{root}/{name}" if name else fs.FileSelector(root or "/", recursive=True)
            found = _file_system(uri).get_file_info(place)
        except (StorageError, OSError, ValueError) as error:
            raise DataError(f"The data {data} cannot be read: {error.__cause__ or error}") from None
        paths = sorted(info.path for info in (found if isinstance(found, list) else [found]) if info.is_file)
        if not name:
            paths = [path for path in paths if path.endswith(".parquet") and not _OTHERS.search(path[len(root) :])]
        if not paths:
            raise DataError(
                f"There is no data file {data} in {store.uri}; its name must end in .parquet. A relative path is "
                "relative to the current folder: run the command there, or give an absolute path."
            )
        return cls(data, root, uri, tuple(paths))

    @property
    def name(self) -> str:
        return PurePosixPath(self.data.partition("?")[0] if self._single else self.root).stem or "files"

    @property
    def _single(self) -> bool:
        return not self.data.partition("?")[0].endswith("/")

    @cached_property
    def dataset(self) -> "ds.Dataset":
        """The files as one data set of pyarrow's. Folders named `column=value` give a column."""
        import pyarrow.dataset as ds  # which imports pandas

        with self.read():
            opened: ds.Dataset = ds.dataset(
                list(self.paths),
                filesystem=_file_system(self.uri),
                format="parquet",
                partitioning=None if self._single else ds.partitioning(flavor="hive"),
                partition_base_dir=None if self._single else self.root,
            )
            fragments = {fragment.path: fragment.physical_schema for fragment in opened.get_fragments()}
            first = fragments[self.paths[0]]
            for path in self.paths[1:]:
                if not fragments[path].equals(first):
                    raise DataError(
                        f"{path} has other columns or types than {self.paths[0]}: {fragments[path]} instead of "
                        f"{first}. All files need the same."
                    )
        return opened

    @cached_property
    def groups(self) -> "Sequence[ds.ParquetFileFragment]":
        """The row groups of all files, in order, without empty ones."""
        with self.read():
            fragments = {fragment.path: fragment for fragment in self.dataset.get_fragments()}
            groups = [group for path in self.paths for group in fragments[path].split_by_row_group()]
            return [group for group in groups if group.row_groups[0].num_rows]

    @cached_property
    def starts(self) -> np.ndarray:
        """The number of rows before each row group, and that of all rows."""
        return np.cumsum([0, *(group.row_groups[0].num_rows for group in self.groups)])

    @property
    def rows(self) -> int:
        return int(self.starts[-1])

    @cached_property
    def codes(self) -> np.ndarray:
        """The split of each row: 0 for train, 1 for validation, 2 for test."""
        if "split" not in self.dataset.schema.names:
            return holdout_mask(self.rows).astype(np.uint8)
        codes = []
        for column in self.columns("split"):
            # Of another type than text, its name: not every value can be converted to Python.
            values = column.cast(pa.string()) if is_text(column.type) else pa.chunked_array([[str(column.type)]])
            found = pc.index_in(values, pa.array(_SPLITS))
            if found.null_count:
                others = values.filter(pc.is_null(found)).unique().to_pylist()
                raise DataError(
                    f"Column 'split' of {self.data} holds {', '.join(map(str, others[:10]))}; each row must have "
                    "train, validation or test."
                )
            codes.append(found.to_numpy().astype(np.uint8))
        joined: np.ndarray = np.concatenate(codes)
        if not {0, 1} <= set(np.unique(joined)):
            raise DataError(f"Column 'split' of {self.data} needs at least one row for train and one for validation.")
        return joined

    @property
    def hash(self) -> str:
        """A hash of the files' footers, which hold the positions, sizes, minima and maxima of all columns."""
        digest = hashlib.sha256()
        with self.read():
            for group in self.groups:
                shown = group.metadata.row_group(group.row_groups[0].id).to_dict()
                digest.update(repr((group.path.removeprefix(self.root), shown)).encode())
        return digest.hexdigest()

    def table(self, place: int, columns: Sequence[str]) -> pa.Table:
        with self.read():
            return self.groups[place].to_table(schema=self.dataset.schema, columns=list(columns), use_threads=False)

    def columns(self, name: str) -> Iterator[pa.ChunkedArray]:
        """A column, one row group after the other."""
        for place in range(len(self.groups)):
            yield plain(self.table(place, [name]).column(name))

    def array_bytes(self, columns: Sequence[str]) -> list[float]:
        """Bytes of the arrays of each row group's inputs, according to the files' footers."""

        def size_of(column: Any) -> float:
            name = column.path_in_schema.partition(".")[0]
            if name not in columns:
                return 0.0
            type_ = self.dataset.schema.field(name).type
            if is_text(type_):
                return float(column.total_uncompressed_size + _TEXT_OBJECT_BYTES * column.num_values)
            width: int = type_.byte_width if pa.types.is_fixed_size_binary(type_) else 1
            return 4.0 * int(column.num_values) * width

        footers = [group.metadata.row_group(group.row_groups[0].id) for group in self.groups]
        return [sum(map(size_of, map(footer.column, range(footer.num_columns)))) for footer in footers]

    @contextmanager
    def read(self) -> Iterator[None]:
        """Turn errors of reading into a DataError."""
        try:
            yield
        except DataError:
            raise
        except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
            raise DataError(f"The data {self.data} cannot be read: {error}") from None
        except BROKEN as error:
            raise DataError(f"A file of the data {self.data} is not a complete Parquet file: {error}") from None

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def _file_system(uri: str | None) -> fs.FileSystem:
    return fs.LocalFileSystem() if uri is None else file_system(uri)[0]


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
        raise DataError(
            f"A row group of {files.groups[sizes.index(largest)].path}, which is read as a whole, has "
            f"{size(int(largest))}, and a trial has {size(int(memory))} of memory for data. Write the files with "
            "smaller row groups (row_group_size of pyarrow.parquet.write_table), or train fewer trials in parallel."
        )
    return max(1, int(min(_BUFFER_BYTES, memory / 4) / max(1.0, sum(sizes) / files.rows)))


def _classes(files: ParquetFiles) -> np.ndarray:
    values: list[Any] = []
    for column in files.columns("label"):
        check_complete(column, "label", files.data)
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
