"""Tables as Parquet: every page with a checksum, every file with the version of its schema."""

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.storage.schema import SCHEMA_VERSION

__all__ = ["BROKEN", "from_parquet", "to_parquet"]

BROKEN = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError)
"""What Arrow raises for bytes that are no Parquet: it has an error for each kind of damage, some of them Python's."""

_KNOWN = {str(version) for version in range(1, SCHEMA_VERSION + 1)}


def to_parquet(table: pa.Table) -> memoryview:
    """A table as the content of a Parquet file, compressed with zstd."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return memoryview(sink.getvalue())


def from_parquet(content: bytes, name: str) -> pa.Table:
    """A table from the content of a Parquet file.

    Args:
        content: The whole file.
        name: What to call it in an error.

    Raises:
        StorageError: It is damaged, no Parquet, or of a schema version that is not known here.
    """
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
    except BROKEN as error:
        raise StorageError(f"{name} is not a whole Parquet file: {error}") from None
    version = (table.schema.metadata or {}).get(b"schema_version", b"1").decode(errors="replace")
    if version not in _KNOWN:
        raise StorageError(
            f"{name} has schema version {version}; this tunepipe reads up to {SCHEMA_VERSION}. "
            "Read it with the tunepipe that wrote it, or a newer one."
        )
    return table
