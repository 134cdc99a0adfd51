"""Unique rows in order: parts may hold a row twice, and the newest one counts."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Indices = npt.NDArray[np.int64]


def clean_epochs(table: pa.Table) -> pa.Table:
    """Rows of `epochs`, unique by trial and epoch, in that order: the newest session and attempt count."""
    trial = trial_positions(table["trial_id"], trial_ids(table["trial_id"]))
    return _unique(
        table,
        (trial, whole_numbers(table["epoch"])),
        (whole_numbers(table["session"]), whole_numbers(table["attempt"])),
    )


def clean_decisions(table: pa.Table) -> pa.Table:
    """Rows of `decisions`, unique by number, in that order.

    A killed driver may have written decisions that its last saved state does not contain. The next session resumes
    from that state, counts on from there, and so shows which of the earlier rows are obsolete.
    """
    table = _unique(table, (whole_numbers(table["session"]), whole_numbers(table["number"])), ())
    session, number = whole_numbers(table["session"]), whole_numbers(table["number"])
    holds, first = np.ones(len(number), np.bool_), np.iinfo(np.int64).max
    for each in np.unique(session)[::-1]:
        rows = session == each
        holds[rows] = number[rows] < first
        first = min(first, number[rows].min())
    return table if holds.all() else table.filter(pa.array(holds))


def trial_ids(*columns: pa.ChunkedArray) -> pa.Array:
    """Every trial id, in the order of the draws: 9999 before 10000."""
    known = pc.unique(pa.concat_arrays([pc.unique(column).cast(pa.string()) for column in columns])).drop_null()
    # The order of `draw_order`, which takes several times as long for thousands of ids.
    number = pc.utf8_ltrim(known, "0")
    keys = pa.table({"length": pc.utf8_length(number), "number": number, "id": known})
    return known.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names]))


def trial_positions(column: pa.ChunkedArray, ids: pa.Array) -> Indices:
    """The position of each row's trial in `ids`."""
    return np.asarray(pc.index_in(column, value_set=ids), np.int64)


def whole_numbers(column: pa.ChunkedArray) -> Indices:
    """A column of integers as an array."""
    return np.asarray(column, np.int64)


def reals(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """A column of numbers as an array; NaN where there is none."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")))


def _unique(table: pa.Table, key: tuple[Indices, Indices], age: tuple[Indices, ...]) -> pa.Table:
    """Rows in order of `key`, one for each: the last by `age`, then by position."""
    if not table.num_rows:
        return table
    first, second = key
    step, within = np.diff(first), np.diff(second)
    if np.all((step > 0) | ((step == 0) & (within > 0))):
        return table
    order = np.lexsort((*reversed(age), second, first))
    ends = np.append((np.diff(first[order]) != 0) | (np.diff(second[order]) != 0), True)
    rows = pa.array(order[ends])
    # One column after the other: the whole table in one chunk would be in memory in addition to both.
    columns = [column.combine_chunks().take(rows) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)
