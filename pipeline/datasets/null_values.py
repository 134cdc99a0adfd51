"""Nulls among the inputs of Parquet files, found before a model trains."""

from collections import Counter
from collections.abc import Sequence

from pipeline.datasets.parquet_files import ParquetFiles, RowGroup
from pipeline.errors import DataError


def check_no_nulls(files: ParquetFiles, columns: Sequence[str]) -> None:
    """Check that columns have no nulls. Only columns of which a file's footer does not say so are read."""
    found: Counter[str] = Counter()
    for group in files.groups:
        if unsure := [name for name in columns if name not in _complete_columns(files, group, columns)]:
            table = files.table(group, unsure)
            found.update({name: table.column(name).null_count for name in unsure})
    nulls = [(name, found[name]) for name in columns if found[name]]
    if not nulls:
        return
    if len(nulls) == 1:
        ((name, count),) = nulls
        which = f"Column {name!r} of {files.data} has {count} nulls"
    else:
        which = f"Columns {', '.join(f'{name!r} ({count})' for name, count in nulls)} of {files.data} have nulls"
    raise DataError(f"{which}; inputs must be complete: fill or drop them.")


def _complete_columns(files: ParquetFiles, group: RowGroup, columns: Sequence[str]) -> set[str]:
    """The columns that have no nulls in a row group, by the footer of its file."""
    with files.read():
        metadata = files.fragments[group.file].metadata.row_group(group.group)
        physical = set(files.fragments[group.file].physical_schema.names)
        # Columns that are names of folders are not in the files.
        complete, doubtful = set(columns) - physical, set[str]()
        for place in range(metadata.num_columns):
            column = metadata.column(place)
            # A list, or another column with parts, is complete if each part is.
            name, statistics = column.path_in_schema.partition(".")[0], column.statistics
            known = statistics is not None and statistics.has_null_count and statistics.null_count == 0
            (complete if known else doubtful).add(name)
    return complete - doubtful
