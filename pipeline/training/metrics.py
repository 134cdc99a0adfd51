"""Metrics as floats: what Keras' steps, callbacks and functions may report."""

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from pipeline.errors import ModelError

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


def plain_logs(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The logs as Keras gives them to callbacks: flat, sorted by name, with numbers as Python numbers."""
    plain: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, Mapping):
            plain.update(plain_logs(value))
            continue
        try:
            plain[name] = float(value.numpy() if hasattr(value, "numpy") else value)
        except Exception:  # a tensor of several elements, text, an object of the user's
            plain[name] = value.numpy() if hasattr(value, "numpy") else value
    return plain


def yielded_metrics(yielded: Any, where: str) -> dict[str, float]:
    """The metrics of a step that a function yields, by name; `where` names the function and the step."""
    if not isinstance(yielded, Mapping) or not yielded:
        found = f"yielded {type(yielded).__name__} {shown(yielded)}"
        raise ModelError(f"{where} {found}; a dict of metric names and numbers is allowed.")
    metrics: dict[str, float] = {}
    for key, value in yielded.items():
        name = str(key)
        if not name.strip() or name in metrics or any(char == "\0" or "\ud800" <= char <= "\udfff" for char in name):
            allowed = "each metric needs its own name, a text that can be written as UTF-8"
            raise ModelError(f"{where} yielded a metric with the name {shown(key)}; {allowed}.")
        try:
            metrics[name] = as_number(value)
        except NotNumeric as error:
            raise ModelError(f"{where} yielded {name} as {error}, {shown(value)}; {ALLOWED}.") from None
    return metrics


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
