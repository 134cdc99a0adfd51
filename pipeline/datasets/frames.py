"""DataFrames and Series of pandas as arrays."""

from typing import Any

import numpy as np

from pipeline.errors import DataError
from pipeline.wording import by_count, listed


def is_frame(value: Any) -> bool:
    """Whether a value is a DataFrame or a Series of pandas, which is not imported for this."""
    return type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "iloc")


def as_array(frame: Any) -> np.ndarray:
    """A DataFrame or a Series as one array.

    Numbers and booleans together become numbers; missing values of columns such as Int64 become NaN.
    """
    array: np.ndarray = np.asarray(frame)
    if array.dtype.kind != "O":
        return array
    columns = [frame] if frame.ndim == 1 else [frame.iloc[:, index] for index in range(frame.shape[1])]
    others = [column for column in columns if column.dtype.kind not in "biuf"]
    if not others:
        types = [getattr(column.dtype, "numpy_dtype", column.dtype) for column in columns]
        if any(column.isna().any() for column in columns):
            types.append(np.dtype("float32"))
        numbers: np.ndarray = frame.to_numpy(dtype=np.result_type(*types), na_value=np.nan)
        return numbers
    if len(others) < len(columns):
        names = listed([f"{column.name!r} ({column.dtype})" for column in others[:5]])
        raise DataError(
            f"{by_count(len(others), 'The column', 'Columns')} {names}{' and others' if len(others) > 5 else ''} of a "
            f"DataFrame {by_count(len(others), 'holds', 'hold')} no numbers, but the other columns do. Encode "
            f"{by_count(len(others), 'it', 'them')}, for example with pandas.get_dummies, or make each column a "
            "separate input with dict(frame), for layers such as StringLookup."
        )
    return array
