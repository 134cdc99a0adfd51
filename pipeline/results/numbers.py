"""How numbers and values are written where people read them."""

import math
from typing import Any

from pipeline.legible import legible

__all__ = ["format_number", "format_value"]


def format_number(value: float) -> str:
    """A metric or a float parameter: four significant digits, without noise behind them."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4g}" if value == 0 or 1e-4 <= abs(value) < 1e5 else f"{value:.3e}"


def format_value(value: Any) -> str:
    """A parameter's value."""
    return format_number(value) if isinstance(value, float) else legible(str(value))
