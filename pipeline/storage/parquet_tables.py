"""Tables as Parquet: every page with a checksum, every file with the version of its schema."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import RawIOBase
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.storage.schema import KEYS, SCHEMA_VERSION, TABLES

BROKEN = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError)
"""What Arrow raises for bytes that are not Parquet; the error depends on the kind of damage."""

_KNOWN = {str(version) for version in range(1, SCHEMA_VERSION + 1)}

_ROWS = 65_536
"""Rows of a part that are in memory at a time, where not all are read together."""

_DICTIONARY = 2**17
"""Bytes of a column's different values that are listed in a group of rows: a column of other values is stored as it is,
which takes less than a list of nearly all of them."""

_ADVICE = (
    "If another program wrote it, move it out of the study, so that the rest is readable. If tunepipe wrote it, "
    "restore it."
)
# Never skipped: if it is a damaged part of the study, the results would be wrong without a message.


def to_parquet(table: pa.Table) -> memoryview:
    """Convert a table to the content of a Parquet file, compressed with zstd."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return memoryview(sink.getvalue())


def parquet_pieces(schema: pa.Schema, tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """Convert tables to the content of one Parquet file; only one table is in memory at a time."""
    sink = _Pieces()
    options: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
    with pq.ParquetWriter(sink, schema, dictionary_pagesize_limit=_DICTIONARY, **options) as writer:
        for table in tables:
            if table.num_rows:
                writer.write_table(table, table.num_rows)
            # The next one is made without it.
            del table
            yield from sink.taken()
    yield from sink.taken()


class _Pieces(RawIOBase):
    """A file for writing whose content is taken while it is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], sink: Any) -> None:
    """Write record batches as one Parquet file; only one batch is in memory at a time."""
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in batches:
            writer.write_batch(batch)


class ParquetPart:
    """The content of a Parquet file, of which some rows or columns are read."""

    def __init__(self, content: bytes, name: str) -> None:
        self._name = name
        with self._readable():
            # A file's own reader: that of data sets, which `read_table` uses, is one more import for each command.
            self.schema = pq.read_schema(pa.BufferReader(content))
            """The columns of the table."""
            # Text repeats, so that its values are faster to read once, and to look up then.
            text = [field.name for field in self.schema if pa.types.is_string(field.type)]
            self._file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, read_dictionary=text)
        version = (self.schema.metadata or {}).get(b"schema_version", b"1").decode(errors="replace")
        if version not in _KNOWN:
            raise StorageError(
                f"{name} has schema version {version}; this tunepipe reads up to {SCHEMA_VERSION}. "
                "Read it with the tunepipe that wrote it, or with a newer one."
            )

    @property
    def groups(self) -> int:
        """The number of groups into which its rows are divided."""
        return int(self._file.num_row_groups)

    def read(self) -> pa.Table:
        """Read all rows and columns."""
        with self._readable():
            return _with_types(self._file.read(), self.schema)

    def batches(self, group: int, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Read a group of rows, a few at a time."""
        names = [name for name in self.schema.names if columns is None or name in columns]
        with self._readable():
            schema = pa.schema([self.schema.field(name) for name in names], self.schema.metadata)
            batches = self._file.iter_batches(_ROWS, [group], names)
        while True:
            with self._readable():
                batch = next(batches, None)
                if batch is None:
                    return
                rows = _with_types(pa.Table.from_batches([batch]).select(names), schema)
            yield rows

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except BROKEN as error:
            reason = str(error).rstrip(".")
            raise StorageError(f"{self._name} is not a complete Parquet file: {reason}. {_ADVICE}") from None


def _with_types(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with the types of a schema of the same names: its own `cast` takes long for each of hundreds of columns,
    also where it changes nothing.
    """
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for field, column in zip(schema, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def from_parquet(content: bytes, name: str) -> pa.Table:
    """Read a table from the content of a Parquet file."""
    return ParquetPart(content, name).read()


def part_of(path: str, table: pa.Table, uri: str) -> pa.Table:
    """Check that a file is a part of the study's table in whose folder it is; files in other folders pass."""
    name = PurePosixPath(path.removesuffix(".parquet")).parts[0]
    types = {column.name: column.type for column in TABLES.get(name, ())}
    present = {field.name: field.type for field in table.schema}
    if missing := [key for key in KEYS.get(name, ()) if present.get(key) != types[key]]:
        raise invalid_part(path, uri, f"is not a part of that table: it lacks the columns {', '.join(missing)}")
    return table


def mismatched_part(paths: Sequence[str], tables: Sequence[pa.Table]) -> str:
    """The first of several parts whose columns do not fit those before it."""
    for index in range(1, len(tables)):
        try:
            pa.unify_schemas([table.schema for table in tables[: index + 1]], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return paths[index]
    return paths[0]


def invalid_part(path: str, uri: str, what: str) -> StorageError:
    """The error for a file that is among a study's parts and is not a part."""
    return StorageError(f"{path} in {uri} {what}. {_ADVICE}")
