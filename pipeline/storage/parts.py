"""The parts of a table, read as one."""

from collections.abc import Callable, Sequence

import pyarrow as pa

from pipeline.errors import StorageError
from pipeline.storage.parquet_tables import from_parquet, invalid_part, mismatched_part, part_of

__all__ = ["read_parts"]

_RETRIES = 5


def read_parts(path: str, uri: str, files: Callable[[str], Sequence[str]], read: Callable[[str], bytes]) -> pa.Table:
    """Read a Parquet file, or a folder of parts as one table with the columns united by name.

    A writer may replace parts by a compacted one meanwhile; then the folder is read again.

    Args:
        path: The path of a file that ends in .parquet, or of a folder.
        uri: The storage, for messages.
        files: Returns the paths of the files in a folder.
        read: Returns the content of a file.

    Returns:
        The table.

    Raises:
        FileNotFoundError: The file does not exist, or the folder has no part.
        StorageError: A file is not Parquet, not of this table, or of an unknown schema version.
    """
    for _ in range(_RETRIES):
        paths = [path] if path.endswith(".parquet") else [p for p in files(path) if p.endswith(".parquet")]
        if not paths:
            raise FileNotFoundError(path)
        try:
            tables = [part_of(part, from_parquet(read(part), f"{part} in {uri}"), uri) for part in paths]
        except FileNotFoundError:
            if path.endswith(".parquet"):
                raise
            continue
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            what = f"does not fit the other parts: {error}"
            raise invalid_part(mismatched_part(paths, tables), uri, what) from None
    raise StorageError(f"The parts of {path} in {uri} change faster than they can be read; try again.")
