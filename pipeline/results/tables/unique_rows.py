"""Columns of tables as arrays."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Indices = npt.NDArray[np.int64]


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
