"""Metrics as floats: the numbers that a function or a callback may report."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

ALLOWED = "a metric must be a number of Python's or NumPy's, or an array or tensor of one element"
"""The end of a message about any other value."""


class NotNumeric(ValueError):
    """A value is not a number; says what it is."""


def as_number(value: Any) -> float:
    """A metric's value as a float."""
    if value is np.ma.masked:
        return math.nan
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "shape"):
        value = _element(value)
    if value is None or isinstance(value, str | bytes | bytearray | complex | np.complexfloating):
        raise NotNumeric("None" if value is None else _kind(value))
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except Exception:
        if isinstance(value, int | float | Decimal | Fraction):
            # A signalling NaN of Decimal's.
            return math.nan
        raise NotNumeric(_kind(value)) from None


def shown(value: Any) -> str:
    """A value as text for a message, at most 80 characters."""
    try:
        text = repr(value)
    except Exception:  # it is the user's object, or a number of more digits than Python prints
        return f"an object of type {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def _element(value: Any) -> Any:
    """The only element of an array or a tensor, of whatever library."""
    try:
        shape = tuple(int(size) for size in value.shape)
    except Exception:
        return value
    if math.prod(shape) != 1:
        raise NotNumeric(f"an array of shape {shape}")
    try:
        array = value.numpy() if hasattr(value, "numpy") else value
        return array.item() if hasattr(array, "item") else array
    except Exception:
        return value


def _kind(value: Any) -> str:
    if isinstance(value, str | bytes | bytearray):
        return "text"
    if isinstance(value, complex | np.complexfloating):
        return "a complex number"
    return f"an object of type {type(value).__name__}"
