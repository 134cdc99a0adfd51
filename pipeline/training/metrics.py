"""Metrics as floats: what Keras' steps, callbacks and functions may report."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.errors import ModelError

ALLOWED = "a metric must be a number of Python's or NumPy's, or an array or tensor of one element"
"""The end of a message about any other value."""


class NotNumeric(ValueError):
    """A value is not a number; says what it is."""


def as_number(value: Any) -> float:
    if value is None or isinstance(value, str | bytes | complex | np.complexfloating):
        raise NotNumeric(f"{value!r:.80}")
    try:
        if getattr(value, "shape", ()):
            shape = tuple(map(int, value.shape))
            if math.prod(shape) != 1:
                raise NotNumeric(f"an array of shape {shape}")
            # A tensor of PyTorch on a GPU has no __array__.
            value = value.item() if hasattr(value, "item") else np.asarray(value).item()
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except NotNumeric:
        raise
    except Exception:
        raise NotNumeric(f"an object of type {type(value).__name__}, {value!r:.80}") from None


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
        raise ModelError(
            f"{where} yielded {type(yielded).__name__} {yielded!r:.80}; a dict of metric names and numbers is allowed."
        )
    metrics: dict[str, float] = {}
    for key, value in yielded.items():
        name = str(key)
        if not name.strip() or name in metrics or any(char == "\0" or "\ud800" <= char <= "\udfff" for char in name):
            raise ModelError(f"{where} yielded a metric with the name {key!r:.80}; each needs a name of its own.")
        try:
            metrics[name] = as_number(value)
        except NotNumeric as error:
            raise ModelError(f"{where} yielded {name} as {error}; {ALLOWED}.") from None
    return metrics
