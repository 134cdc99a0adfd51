"""The parts of a table, read as one."""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from pipeline.errors import StorageError
from pipeline.storage.parquet_tables import ParquetPart, from_parquet, invalid_part, mismatched_part, part_of

_RETRIES = 5

_CACHE_BYTES = 64 * 2**20

RowGroup = tuple[str, int]
"""The path of a part, and the number of a group of its rows."""


class Parts:
    """The parts of a table in a folder, of which some rows or columns are read."""

    def __init__(
        self,
        folder: str,
        uri: str,
        files: Callable[[str], Sequence[str]],
        read: Callable[[str], bytes],
        *,
        kept: int = _CACHE_BYTES,
    ) -> None:
        self._uri, self._read = uri, read
        self._kept: dict[str, bytes] = {}
        self._room = kept
        paths, empty = [path for path in files(folder) if path.endswith(".parquet")], []
        self.groups: list[RowGroup] = []
        """Groups of rows, in the order of the table."""
        for path in paths:
            part = self._part(path)
            empty.append(part_of(path, part.schema.empty_table(), uri))
            self.groups += [(path, number) for number in range(part.groups)]
        self.empty = united(paths, empty, uri) if paths else pa.table({})
        """A table with all columns, and without rows."""

    def rows(self, group: RowGroup, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Read a group of rows, a few at a time."""
        path, number = group
        yield from self._part(path).batches(number, columns)

    def _part(self, path: str) -> ParquetPart:
        if (content := self._kept.get(path)) is None:
            content = self._read(path)
            if len(content) <= self._room:
                self._kept[path], self._room = content, self._room - len(content)
        return ParquetPart(content, f"{path} in {self._uri}")


def read_parts(path: str, uri: str, files: Callable[[str], Sequence[str]], read: Callable[[str], bytes]) -> pa.Table:
    """Read a Parquet file, or a folder of parts as one table with the columns united by name.

    A writer may replace parts by a compacted one meanwhile; then the folder is read again.
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
        return united(paths, tables, uri)
    raise StorageError(f"The parts of {path} in {uri} change faster than they can be read; try again.")


def united(paths: Sequence[str], tables: Sequence[pa.Table], uri: str) -> pa.Table:
    """Parts as one table, their columns united by name."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        what = f"does not fit the other parts: {error}"
        raise invalid_part(mismatched_part(paths, tables), uri, what) from None
