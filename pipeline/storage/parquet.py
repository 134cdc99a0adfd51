"""Tables as Parquet: every page with a checksum, every file with the version of its schema."""

from collections.abc import Sequence
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.storage.schema import KEYS, SCHEMA_VERSION, TABLES

__all__ = ["BROKEN", "foreign", "from_parquet", "odd_one", "part_of", "to_parquet"]

BROKEN = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError)
"""What Arrow raises for bytes that are no Parquet: it has an error for each kind of damage, some of them Python's."""

_KNOWN = {str(version) for version in range(1, SCHEMA_VERSION + 1)}

_MEND = "If it is not tunepipe's, move it out of the study: the rest can be read then. If it is, restore it."
# Not passed over: were it a part of tunepipe's own that is damaged, the results would be wrong without a word.


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
        raise StorageError(f"{name} is not a whole Parquet file: {error}. {_MEND}") from None
    version = (table.schema.metadata or {}).get(b"schema_version", b"1").decode(errors="replace")
    if version not in _KNOWN:
        raise StorageError(
            f"{name} has schema version {version}; this tunepipe reads up to {SCHEMA_VERSION}. "
            "Read it with the tunepipe that wrote it, or a newer one."
        )
    return table


def part_of(path: str, table: pa.Table, uri: str) -> pa.Table:
    """The table, if it is a part of the study's table in whose folder it lies, or lies elsewhere.

    Args:
        path: Where it lies within the study.
        table: What it holds.
        uri: The study's folder.

    Raises:
        StorageError: It lacks columns of the study's table; names the file.
    """
    name = PurePosixPath(path.removesuffix(".parquet")).parts[0]
    types = {column.name: column.type for column in TABLES.get(name, ())}
    there = {field.name: field.type for field in table.schema}
    if missing := [key for key in KEYS.get(name, ()) if there.get(key) != types[key]]:
        raise foreign(path, uri, f"is no part of that table: it lacks the columns {', '.join(missing)}")
    return table


def odd_one(paths: Sequence[str], tables: Sequence[pa.Table]) -> str:
    """The first of several parts whose columns do not fit those before it."""
    for place in range(1, len(tables)):
        try:
            pa.unify_schemas([table.schema for table in tables[: place + 1]], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return paths[place]
    return paths[0]


def foreign(path: str, uri: str, what: str) -> StorageError:
    """What to raise for a file among a study's parts that is none."""
    return StorageError(f"{path} in {uri} {what}. {_MEND}")
