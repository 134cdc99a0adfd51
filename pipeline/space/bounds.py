"""Intervals of numbers: their ends, and values within them."""

import math
from typing import Any, TypeGuard

from pipeline.errors import Fault
from pipeline.space.values import LARGEST


def is_real(value: object) -> TypeGuard[float]:
    """Whether a value is a number, and not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_real(value: Any) -> Any:
    """A whole number as a real one."""
    return float(value) if is_real(value) else value


def clamp(value: float, low: float, high: float) -> float:
    """A number moved into an interval."""
    return min(max(value, low), math.nextafter(high, low))


def clip_unit(unit: float) -> float:
    """A number moved into [0, 1]."""
    return min(max(float(unit), 0.0), 1.0)


def faults_of_bounds(low: float, high: float) -> list[Fault]:
    """What is wrong with the ends of an interval."""
    if not (abs(low) <= LARGEST and abs(high) <= LARGEST):
        return [Fault("low", low, f"low and high must be at most {LARGEST:g} in magnitude")]
    return [] if low < high else [Fault("low", low, "low must be below high")]
