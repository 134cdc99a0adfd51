"""Domains of whole and quantised numbers."""

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from pydantic import StrictBool

from pipeline.errors import Fault
from pipeline.space.base import CountableDomain
from pipeline.space.bounds import as_real, clip_unit, faults_of_bounds, is_real
from pipeline.space.values import INT64, STRICT_CONFIG, Real, Whole


@dataclass(frozen=True, slots=True)
class IntUniform(CountableDomain):
    """A whole number in [low, high], both included; with a step, only `low`, `low + step`, `low + 2 * step`, ….

    Args:
        low: Smallest value.
        high: Upper bound; above `low`. With a step, the largest value is the last one that is not above it.
        log: Draw uniformly in the logarithm; needs `low` of at least 1.
        step: Difference between neighbouring values; at least 1.
    """

    __pydantic_config__ = STRICT_CONFIG

    low: Whole
    high: Whole
    log: StrictBool = False
    step: Whole = 1
    kind: Literal["intuniform"] = field(default="intuniform", repr=False)

    @property
    def bounds(self) -> tuple[int, int]:
        """Both ends."""
        return self.low, self.high

    @property
    def logarithmic(self) -> bool:
        """Whether `log` is set."""
        return self.log

    @property
    def whole(self) -> bool:
        """Always True."""
        return True

    @property
    def count(self) -> int:
        """Number of values."""
        return (self.high - self.low) // self.step + 1

    def nth(self, number: int) -> int:
        """The value with a number, from 0, in ascending order."""
        return self.low + number * self.step

    def number(self, value: int) -> int:
        """The number of a value, from 0: the inverse of `nth`. For other numbers, that of the next lower value.

        Args:
            value: A whole number.
        """
        return (value - self.low) // self.step

    def draw(self, rng: np.random.Generator) -> int:
        """Draw a value."""
        if not self.log:
            # With a step of 1 the values may need all 64 bits, so they are not counted from 0.
            first, last = (self.low, self.high) if self.step == 1 else (0, self.count - 1)
            drawn = int(rng.integers(first, last, endpoint=True))
            return drawn if self.step == 1 else self.nth(drawn)
        low, high = self._logarithms()
        return self._rounded_down(math.exp(rng.uniform(low, high)))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> int:
        """Multiply a value by a factor, rounded to another value if there is one, within the domain."""
        change = round(value * factor) - value
        steps, rest = divmod(abs(change), self.step)
        steps = (steps + (2 * rest >= self.step)) * (1 if change >= 0 else -1)
        before = self.number(value)
        after = before + steps
        if after == before and factor != 1:
            after += 1 if (factor > 1) == (value >= 0) else -1
        return self.nth(min(max(after, 0), self.count - 1))

    def contains(self, value: object) -> bool:
        """Whether a value could have been drawn."""
        whole = isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high
        return whole and self.nth(self.number(value)) == value  # type: ignore[arg-type]

    def as_drawn(self, value: Any) -> Any:
        """A real number without a fraction as a whole one."""
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def from_unit(self, unit: float) -> int:
        """The value at a quantile."""
        if self.log:
            low, high = self._logarithms()
            return self._rounded_down(math.exp(low + unit * (high - low)))
        return self.nth(min(int(unit * self.count), self.count - 1))

    def to_unit(self, value: Any) -> float:
        """The quantile of a value."""
        if self.log:
            low, high = self._logarithms()
            middle = math.log(max(value, self.low) + 0.5 * self.step)
            return clip_unit((middle - low) / (high - low)) if high > low else 0.0
        return clip_unit(((value - self.low) / self.step + 0.5) / self.count)

    def faults(self) -> list[Fault]:
        """What is wrong with the bounds or the step."""
        if not (-INT64 <= self.low < INT64 and -INT64 <= self.high < INT64):
            return [Fault("low", self.low, "low and high must fit in 64 bits")]
        if self.log and self.low < 1:
            return [Fault("low", self.low, "low must be at least 1 where log is set")]
        if faults := faults_of_bounds(self.low, self.high):
            return faults
        if not 1 <= self.step <= self.high - self.low:
            return [Fault("step", self.step, "step must be from 1 to high - low")]
        return []

    def _logarithms(self) -> tuple[float, float]:
        """The bounds of the drawn logarithms: each value stands for all numbers up to the next one."""
        return math.log(self.low), math.log(self.nth(self.count))

    def _rounded_down(self, drawn: float) -> int:
        return self.nth(min(max(self.number(int(drawn)), 0), self.count - 1))


@dataclass(frozen=True, slots=True)
class QUniform(CountableDomain):
    """A multiple of `q` in [low, high], all equally likely.

    Args:
        low: Lower end.
        high: Upper end; at least one multiple of `q` is between the two.
        q: The step; above 0.
    """

    __pydantic_config__ = STRICT_CONFIG

    low: Real
    high: Real
    q: Real
    kind: Literal["quniform"] = field(default="quniform", repr=False)

    @property
    def bounds(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    @property
    def count(self) -> int:
        """Number of values."""
        first, last = self._steps()
        return last - first + 1

    def nth(self, number: int) -> float:
        """The value with a number, from 0, in ascending order."""
        return self._value(self._steps()[0] + number)

    def number(self, value: float) -> int:
        """The number of a value, from 0: the inverse of `nth`.

        Args:
            value: One of the values.
        """
        return round(_exact(value) / _exact(self.q)) - self._steps()[0]

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        first, last = self._steps()
        return self._value(first + int(rng.integers(last - first, endpoint=True)))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply a value by a factor, moved to another multiple of `q`, within the domain."""
        first, last = self._steps()
        step = round(_exact(value) / _exact(self.q))
        moved = _moved(step, round(_exact(value * factor) / _exact(self.q)), factor)
        return self._value(min(max(moved, first), last))

    def contains(self, value: object) -> bool:
        """Whether a value could have been drawn."""
        if not is_real(value) or not math.isfinite(value):
            return False
        first, last = self._steps()
        step = round(_exact(value) / _exact(self.q))
        return first <= step <= last and self._value(step) == value

    def as_drawn(self, value: Any) -> Any:
        """A whole number as a real one."""
        return as_real(value)

    def from_unit(self, unit: float) -> float:
        """The value at a quantile."""
        first, last = self._steps()
        return self._value(min(first + int(unit * (last - first + 1)), last))

    def to_unit(self, value: Any) -> float:
        """The quantile of a value."""
        first, last = self._steps()
        return clip_unit((round(_exact(value) / _exact(self.q)) - first + 0.5) / (last - first + 1))

    def faults(self) -> list[Fault]:
        """What is wrong with the bounds or the step."""
        if self.q <= 0:
            return [Fault("q", self.q, "q must be above 0")]
        if faults := faults_of_bounds(self.low, self.high):
            return faults
        first, last = self._steps()
        if last < first:
            return [Fault("q", self.q, "a multiple of q must be between low and high")]
        # Floats have gaps: with a smaller q, two multiples would be one number.
        gap = math.ulp(max(abs(self.low), abs(self.high)))
        if last - first >= INT64 - 1 or self.q < 2 * gap:
            return [Fault("q", self.q, "q must be larger for such a range")]
        return []

    def _steps(self) -> tuple[int, int]:
        q = _exact(self.q)
        return math.ceil(_exact(self.low) / q), math.floor(_exact(self.high) / q)

    def _value(self, step: int) -> float:
        return float(step * _exact(self.q))


def _exact(value: float) -> Fraction:
    # The decimal that the user wrote, not the nearest binary number: 3 times 0.1 is 0.3.
    return Fraction(repr(float(value)))


def _moved(before: int, after: int, factor: float) -> int:
    """At least one step away in the direction of `factor`."""
    if after != before or factor == 1:
        return after
    return before + (1 if (factor > 1) == (before >= 0) else -1)
