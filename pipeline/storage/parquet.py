"""Tables as Parquet: every page with a checksum, every file with the version of its schema."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.storage.schema import SCHEMA_VERSION

BROKEN = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError)
"""What Arrow raises for bytes that are not Parquet; the error depends on the kind of damage."""

_DICTIONARY = 2**17
"""Bytes of a column's different values that are listed in a group of rows: a column of other values is stored as it is,
which takes less than a list of nearly all of them."""


def to_parquet(table: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    write_parquet(table.schema, [table], sink)
    return memoryview(sink.getvalue())


def write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch | pa.Table], sink: Any) -> None:
    """Write rows as one Parquet file, compressed with zstd; only one batch of them is in memory at a time."""
    options: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
    with pq.ParquetWriter(sink, schema, dictionary_pagesize_limit=_DICTIONARY, **options) as writer:
        for batch in batches:
            writer.write(batch, max(batch.num_rows, 1))


def read_parquet(content: bytes, name: str) -> pa.Table:
    try:
        # A file's own reader: that of data sets, which `read_table` uses, is one more import for each command.
        schema = pq.read_schema(pa.BufferReader(content))
        # Text repeats, so that its values are faster to read once, and to look up then.
        text = [field.name for field in schema if pa.types.is_string(field.type)]
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, read_dictionary=text)
        table = file.read()
        # `cast` of a whole table takes long for hundreds of columns, also where it changes nothing.
        columns = [
            column if column.type == field.type else column.cast(field.type)
            for field, column in zip(schema, table.columns, strict=True)
        ]
        table = pa.Table.from_arrays(columns, schema=schema)
    except BROKEN as error:
        # Never skipped: if it is a damaged part of the study, the results would be wrong without a message.
        raise StorageError(
            f"{name} is not a complete Parquet file: {str(error).rstrip('.')}. If another program wrote it, move it "
            "out of the study, so that the rest is readable. If tunepipe wrote it, restore it."
        ) from None
    version = (schema.metadata or {}).get(b"schema_version", b"1").decode(errors="replace")
    if version not in map(str, range(1, SCHEMA_VERSION + 1)):
        raise StorageError(
            f"{name} has schema version {version}; this tunepipe reads up to {SCHEMA_VERSION}. "
            "Read it with the tunepipe that wrote it, or with a newer one."
        )
    return table
