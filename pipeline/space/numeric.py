"""Domains of numbers.

A domain is a value: two numbers and a rule. It never raises when built; `fault` tells what is wrong with it, so that
a job's mistakes are reported together.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import NormalDist
from typing import Any, Literal, TypeGuard

import numpy as np
from pydantic import StrictBool

from pipeline.space.values import INT64, LARGEST, SETTINGS, Real, Whole

__all__ = ["IntUniform", "LogUniform", "Normal", "QUniform", "Uniform"]

_TAIL = 1e-9


@dataclass(frozen=True, slots=True)
class Uniform:
    """A real number, equally likely anywhere in [low, high).

    Args:
        low: Lower end, included.
        high: Upper end, excluded; above `low`.
    """

    __pydantic_config__ = SETTINGS

    low: Real
    high: Real
    kind: Literal["uniform"] = field(default="uniform", repr=False)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return _within(float(rng.uniform(self.low, self.high)), self.low, self.high)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply `value` by `factor`, kept within the domain."""
        return _within(float(value) * factor, self.low, self.high)

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return _is_real(value) and self.low <= value < self.high

    def at(self, unit: float) -> float:
        """The value at a place from 0 to 1: equal stretches are equally likely."""
        return _within(self.low + unit * (self.high - self.low), self.low, self.high)

    def unit(self, value: Any) -> float:
        """The place of `value`, from 0 to 1."""
        return _clipped((value - self.low) / (self.high - self.low))

    def fault(self) -> str | None:
        """What is wrong with the bounds, or None."""
        return _order(self.low, self.high)


@dataclass(frozen=True, slots=True)
class LogUniform:
    """A positive real number whose logarithm is equally likely anywhere in [low, high).

    Args:
        low: Lower end, included; above 0.
        high: Upper end, excluded; above `low`.
    """

    __pydantic_config__ = SETTINGS

    low: Real
    high: Real
    kind: Literal["loguniform"] = field(default="loguniform", repr=False)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return _within(math.exp(rng.uniform(math.log(self.low), math.log(self.high))), self.low, self.high)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply `value` by `factor`, kept within the domain."""
        return _within(float(value) * factor, self.low, self.high)

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return _is_real(value) and self.low <= value < self.high

    def at(self, unit: float) -> float:
        """The value at a place from 0 to 1: equal stretches are equally likely."""
        low, high = math.log(self.low), math.log(self.high)
        return _within(math.exp(low + unit * (high - low)), self.low, self.high)

    def unit(self, value: Any) -> float:
        """The place of `value`, from 0 to 1."""
        low, high = math.log(self.low), math.log(self.high)
        return _clipped((math.log(value) - low) / (high - low)) if value > 0 and high > low else 0.0

    def fault(self) -> str | None:
        """What is wrong with the bounds, or None."""
        return "low must be above 0" if self.low <= 0 else _order(self.low, self.high)


@dataclass(frozen=True, slots=True)
class IntUniform:
    """A whole number in [low, high], both included.

    Args:
        low: Smallest value.
        high: Largest value; above `low`.
        log: Draw uniformly in the logarithm; needs `low` of at least 1.
    """

    __pydantic_config__ = SETTINGS

    low: Whole
    high: Whole
    log: StrictBool = False
    kind: Literal["intuniform"] = field(default="intuniform", repr=False)

    def draw(self, rng: np.random.Generator) -> int:
        """Draw a value."""
        if not self.log:
            return int(rng.integers(self.low, self.high, endpoint=True))
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high + 1)))
        return min(max(int(drawn), self.low), self.high)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> int:
        """Multiply `value` by `factor`, rounded to another whole number where there is one, kept within the domain."""
        return min(max(_moved(value, round(value * factor), factor), self.low), self.high)

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def at(self, unit: float) -> int:
        """The value at a place from 0 to 1: equal stretches are equally likely."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high + 1)
            return min(max(int(math.exp(low + unit * (high - low))), self.low), self.high)
        return min(self.low + int(unit * (self.high - self.low + 1)), self.high)

    def unit(self, value: Any) -> float:
        """The place of `value`, from 0 to 1."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high + 1)
            return _clipped((math.log(max(value, self.low) + 0.5) - low) / (high - low)) if high > low else 0.0
        return _clipped((value - self.low + 0.5) / (self.high - self.low + 1))

    def fault(self) -> str | None:
        """What is wrong with the bounds, or None."""
        if not (-INT64 <= self.low < INT64 and -INT64 <= self.high < INT64):
            return "low and high must fit in 64 bits"
        return "low must be at least 1 where log is set" if self.log and self.low < 1 else _order(self.low, self.high)


@dataclass(frozen=True, slots=True)
class QUniform:
    """A multiple of `q` in [low, high], all equally likely.

    Args:
        low: Lower end.
        high: Upper end; at least one multiple of `q` lies between the two.
        q: The step; above 0.
    """

    __pydantic_config__ = SETTINGS

    low: Real
    high: Real
    q: Real
    kind: Literal["quniform"] = field(default="quniform", repr=False)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        first, last = self._steps()
        return self._value(first + int(rng.integers(last - first, endpoint=True)))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply `value` by `factor`, moved to another multiple of `q`, kept within the domain."""
        first, last = self._steps()
        step = round(_exact(value) / _exact(self.q))
        moved = _moved(step, round(_exact(value * factor) / _exact(self.q)), factor)
        return self._value(min(max(moved, first), last))

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        if not _is_real(value) or not math.isfinite(value):
            return False
        first, last = self._steps()
        step = round(_exact(value) / _exact(self.q))
        return first <= step <= last and self._value(step) == value

    def at(self, unit: float) -> float:
        """The value at a place from 0 to 1: equal stretches are equally likely."""
        first, last = self._steps()
        return self._value(min(first + int(unit * (last - first + 1)), last))

    def unit(self, value: Any) -> float:
        """The place of `value`, from 0 to 1."""
        first, last = self._steps()
        return _clipped((round(_exact(value) / _exact(self.q)) - first + 0.5) / (last - first + 1))

    def fault(self) -> str | None:
        """What is wrong with the bounds or the step, or None."""
        if self.q <= 0:
            return "q must be above 0"
        if fault := _order(self.low, self.high):
            return fault
        first, last = self._steps()
        if last < first:
            return "a multiple of q must lie between low and high"
        return "q must be larger for such a range" if last - first >= INT64 - 1 else None

    def _steps(self) -> tuple[int, int]:
        q = _exact(self.q)
        return math.ceil(_exact(self.low) / q), math.floor(_exact(self.high) / q)

    def _value(self, step: int) -> float:
        return float(step * _exact(self.q))


@dataclass(frozen=True, slots=True)
class Normal:
    """A real number from a normal distribution.

    Args:
        mean: The mean.
        std: The standard deviation; above 0.
    """

    __pydantic_config__ = SETTINGS

    mean: Real
    std: Real
    kind: Literal["normal"] = field(default="normal", repr=False)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return float(rng.normal(self.mean, self.std))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply `value` by `factor`."""
        return min(max(float(value) * factor, -LARGEST), LARGEST)

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return _is_real(value) and math.isfinite(value)

    def at(self, unit: float) -> float:
        """The value at a place from 0 to 1: equal stretches are equally likely."""
        # The ends of the line lie infinitely far away.
        value = NormalDist().inv_cdf(min(max(unit, _TAIL), 1 - _TAIL))
        return self.mean + self.std * value

    def unit(self, value: Any) -> float:
        """The place of `value`, from 0 to 1."""
        return NormalDist().cdf((value - self.mean) / self.std)

    def fault(self) -> str | None:
        """What is wrong with the standard deviation, or None."""
        if not abs(self.mean) <= LARGEST or self.std > LARGEST:
            return f"mean and std must be at most {LARGEST:g} in size"
        return None if self.std > 0 else "std must be above 0"


def _is_real(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), math.nextafter(high, low))


def _clipped(unit: float) -> float:
    return min(max(float(unit), 0.0), 1.0)


def _exact(value: float) -> Fraction:
    # The decimal that a person wrote, not the binary number nearest to it: 3 times 0.1 is 0.3.
    return Fraction(repr(float(value)))


def _moved(before: int, after: int, factor: float) -> int:
    """At least one step away in the direction of `factor`."""
    if after != before or factor == 1:
        return after
    return before + (1 if (factor > 1) == (before >= 0) else -1)


def _order(low: float, high: float) -> str | None:
    if not (abs(low) <= LARGEST and abs(high) <= LARGEST):
        return f"low and high must be at most {LARGEST:g} in size"
    return None if low < high else "low must be below high"
