"""A table of a study as its files have it, rows of lost attempts included."""

import pyarrow as pa

from pipeline.storage import Store


def stored_table(store: Store, table: str) -> pa.Table:
    """The rows of all of a table's files."""
    return pa.concat_tables([store.read_table(path) for path in store.files(table)], promote_options="permissive")
