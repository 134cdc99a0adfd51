"""Tables as Parquet: every page with a checksum, every file with the version of its schema."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.storage.schema import KEYS, SCHEMA_VERSION, TABLES

__all__ = ["BROKEN", "from_parquet", "invalid_part", "mismatched_part", "part_of", "to_parquet", "write_parquet"]

BROKEN = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError)
"""What Arrow raises for bytes that are not Parquet; the error depends on the kind of damage."""

_KNOWN = {str(version) for version in range(1, SCHEMA_VERSION + 1)}

_ADVICE = (
    "If another program wrote it, move it out of the study, so that the rest is readable. If tunepipe wrote it, "
    "restore it."
)
# Never skipped: if it is a damaged part of the study, the results would be wrong without a message.


def to_parquet(table: pa.Table) -> memoryview:
    """Convert a table to the content of a Parquet file, compressed with zstd.

    Args:
        table: The table.

    Returns:
        The bytes of the file.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return memoryview(sink.getvalue())


def write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], sink: Any) -> None:
    """Write record batches as one Parquet file; only one batch is in memory at a time.

    Args:
        schema: The schema of the batches.
        batches: The record batches.
        sink: A path, or a file that is open for writing.
    """
    with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in batches:
            writer.write_batch(batch)


def from_parquet(content: bytes, name: str) -> pa.Table:
    """Read a table from the content of a Parquet file.

    Args:
        content: The whole file.
        name: The file's name in an error.

    Returns:
        The table.

    Raises:
        StorageError: The file is damaged, not Parquet, or of an unknown schema version.
    """
    try:
        table = _table(content)
    except BROKEN as error:
        raise StorageError(f"{name} is not a complete Parquet file: {error}. {_ADVICE}") from None
    version = (table.schema.metadata or {}).get(b"schema_version", b"1").decode(errors="replace")
    if version not in _KNOWN:
        raise StorageError(
            f"{name} has schema version {version}; this tunepipe reads up to {SCHEMA_VERSION}. "
            "Read it with the tunepipe that wrote it, or with a newer one."
        )
    return table


def _table(content: bytes) -> pa.Table:
    # A file's own reader: that of data sets, which `read_table` uses, is one more import for each command.
    schema = pq.read_schema(pa.BufferReader(content))
    # Text repeats, so that its values are faster to read once, and to look up then.
    text = [field.name for field in schema if pa.types.is_string(field.type)]
    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, read_dictionary=text)
    return file.read().cast(schema)


def part_of(path: str, table: pa.Table, uri: str) -> pa.Table:
    """Check that a file is a part of the study's table in whose folder it is; files in other folders pass.

    Args:
        path: The file's path within the study.
        table: The file's content.
        uri: The study's folder.

    Returns:
        The same table.

    Raises:
        StorageError: It lacks columns of the study's table; names the file.
    """
    name = PurePosixPath(path.removesuffix(".parquet")).parts[0]
    types = {column.name: column.type for column in TABLES.get(name, ())}
    present = {field.name: field.type for field in table.schema}
    if missing := [key for key in KEYS.get(name, ()) if present.get(key) != types[key]]:
        raise invalid_part(path, uri, f"is not a part of that table: it lacks the columns {', '.join(missing)}")
    return table


def mismatched_part(paths: Sequence[str], tables: Sequence[pa.Table]) -> str:
    """The first of several parts whose columns do not fit those before it.

    Args:
        paths: The parts' paths.
        tables: Their contents, in the same order.
    """
    for index in range(1, len(tables)):
        try:
            pa.unify_schemas([table.schema for table in tables[: index + 1]], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return paths[index]
    return paths[0]


def invalid_part(path: str, uri: str, what: str) -> StorageError:
    """The error for a file that is among a study's parts and is not a part.

    Args:
        path: The file's path within the study.
        uri: The study's folder.
        what: What is wrong with it: a predicate without a full stop.
    """
    return StorageError(f"{path} in {uri} {what}. {_ADVICE}")
