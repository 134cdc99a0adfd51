"""The batches of a search, as Keras makes them if its arguments define only a part of them."""

import math
from collections.abc import Mapping
from typing import Any

from pipeline.wording import counted

_BATCH_SIZE = 32
"""Keras' default."""


def batch_size_of(search: Mapping[str, Any]) -> int:
    """The rows of a batch of training data."""
    if given := search.get("batch_size"):
        return int(given)
    steps, rows = search.get("steps_per_epoch"), _rows(search.get("x"))
    if not steps or rows is None:
        return _BATCH_SIZE
    return max(1, math.ceil((rows - _split_off(search)) / int(steps)))


def validation_steps_of(search: Mapping[str, Any]) -> int | None:
    """The steps of an evaluation in batches of the size of `batch_size_of`."""
    rows = _evaluated(search)
    if rows is None:
        return None if _known(search) else search.get("validation_steps")
    return math.ceil(rows / batch_size_of(search))


def left_out_of_batches(search: Mapping[str, Any]) -> list[str]:
    """The settings of batches that a job does not have, a sentence each."""
    rows, size, steps = _evaluated(search), batch_size_of(search), validation_steps_of(search)
    if rows is None or steps is None or rows == steps * size:
        return []
    batches = counted(steps, "batch", "batches")
    return [f"validation_batch_size is ignored; an evaluation has {batches} of {size} rows, and not {rows} rows."]


def _evaluated(search: Mapping[str, Any]) -> int | None:
    """The rows of an evaluation, where they are a part of the validation data; None for a pipeline or all rows."""
    known, steps = _known(search), search.get("validation_steps")
    size = search.get("validation_batch_size") or search.get("batch_size")
    # Without a batch size the steps are all rows.
    return int(size * steps) if known and steps and size and size * steps < known else None


def _known(search: Mapping[str, Any]) -> int:
    """The rows of validation data in arrays; 0 for a pipeline."""
    validation = search.get("validation_data")
    if not isinstance(validation, list | tuple):
        return _split_off(search)
    return (_rows(validation[0]) or 0) if validation else 0


def _split_off(search: Mapping[str, Any]) -> int:
    """The rows that `validation_split` takes from the training data."""
    rows, share = _rows(search.get("x")), search.get("validation_split")
    return rows - math.floor(rows * (1.0 - share)) if rows is not None and share else 0


def _rows(x: Any) -> int | None:
    """The rows of arrays; None for a pipeline."""
    while isinstance(x, Mapping | list | tuple) and x:
        x = next(iter(x.values() if isinstance(x, Mapping) else x))
    shape = getattr(x, "shape", None)
    return int(shape[0]) if shape is not None and len(shape) else None
