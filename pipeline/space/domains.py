"""Domains: the set of values that a hyperparameter may have, and how a value is drawn from it; those of numbers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable
from copy import deepcopy
from dataclasses import dataclass, field
from fractions import Fraction
from statistics import NormalDist
from typing import Any, Literal, TypeGuard

import numpy as np
from pydantic import StrictBool

from pipeline.errors import Fault
from pipeline.space.values import (
    INT64,
    LARGEST,
    STRICT_CONFIG,
    Real,
    Whole,
    key_of,
)

_TAIL = 1e-9


class Domain(ABC):
    """A set of values with a distribution. Each subclass is a frozen dataclass with `kind` and its own fields.

    A constructor never raises: `faults` lists what is wrong, so that all mistakes of a job are reported together.
    """

    __slots__ = ()
    __pydantic_config__ = STRICT_CONFIG

    kind: str

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The ends of its numbers; None if they have no ends, or if it lists its values."""
        return None

    @property
    def span(self) -> tuple[float, float] | None:
        """The ends of an interval that has nearly all of its numbers; None if it lists values."""
        return self.bounds

    @property
    def logarithmic(self) -> bool:
        """Whether the logarithm of its numbers is uniformly distributed."""
        return False

    @property
    def whole(self) -> bool:
        """Whether it draws whole numbers; listed values have their own types."""
        return False

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Any:
        """Draw a value."""

    @abstractmethod
    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> Any:
        """A value multiplied by a factor within the domain; the next or previous one of listed values."""

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Whether a config may have a value."""

    def as_drawn(self, value: Any) -> Any:
        """A value in the type that the domain draws: 32 for 32.0 among whole numbers; others unchanged."""
        return float(value) if _is_real(value) else value

    @abstractmethod
    def from_unit(self, unit: float) -> Any:
        """The value at a quantile of the distribution, from 0 to 1."""

    @abstractmethod
    def to_unit(self, value: Any) -> float:
        """The quantile of a value; of one of several values, that of the middle of its part."""

    @abstractmethod
    def faults(self) -> list[Fault]:
        """What is wrong with the domain's fields; empty if nothing is."""


class CountableDomain(Domain):
    """A domain with a finite number of values."""

    __slots__ = ()

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of values."""

    @abstractmethod
    def nth(self, number: int) -> Any:
        """The value with a number, from 0."""

    @abstractmethod
    def number(self, value: Any) -> int:
        """The number of a value, from 0: the inverse of `nth`."""

    def draw(self, rng: np.random.Generator) -> Any:
        # There may be 2**64 values.
        return self.nth(int(rng.integers(self.count - 1, endpoint=True, dtype=np.uint64)))

    def from_unit(self, unit: float) -> Any:
        return self.nth(min(int(unit * self.count), self.count - 1))

    def to_unit(self, value: Any) -> float:
        return _clip((self.number(value) + 0.5) / self.count)

    def _moved(self, value: float, factor: float, number: int) -> Any:
        """The value with a number, at least one step from a value in the direction of a factor, within the domain."""
        if number == self.number(value) and factor != 1:
            number += 1 if (factor > 1) == (value >= 0) else -1
        return self.nth(min(max(number, 0), self.count - 1))


class ListedDomain(CountableDomain):
    """A domain that lists its values, in an order that may mean nothing."""

    __slots__ = ()

    @property
    @abstractmethod
    def values(self) -> tuple[Any, ...]:
        """The values, in their order."""

    @property
    def count(self) -> int:
        return len(self.values)

    def nth(self, number: int) -> Any:
        # A copy, because a value may be a list that the user's code changes.
        return deepcopy(self.values[number])

    def number(self, value: object) -> int:
        if (number := self._place(value)) is None:
            raise ValueError(f"{value!r:.100} is not one of the values")
        return number

    def contains(self, value: object) -> bool:
        return self._place(value) is not None

    def as_drawn(self, value: Any) -> Any:
        return value if (number := self._place(value)) is None else self.nth(number)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> Any:
        number = self.number(value) + (1 if factor > 1 else -1)
        return self.nth(min(max(number, 0), self.count - 1))

    def _place(self, value: object) -> int | None:
        try:
            # A comparison of each of a thousand values in turn takes longer than the rest of a draw.
            first = 0 if isinstance(value, list | tuple | dict) else self.values.index(value)
        except ValueError:
            return None
        key = hashable(value)
        return next((number for number in range(first, self.count) if hashable(self.values[number]) == key), None)


@dataclass(frozen=True, slots=True)
class _Interval(Domain):
    low: Real
    high: Real

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    def draw(self, rng: np.random.Generator) -> float:
        low, high = self._scaled()
        return self._value(rng.uniform(low, high))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        return _clamp(float(value) * factor, self.low, self.high)

    def contains(self, value: object) -> bool:
        # The upper end is never drawn, and allowed.
        return _is_real(value) and self.low <= value <= self.high

    def from_unit(self, unit: float) -> float:
        low, high = self._scaled()
        return self._value(low + unit * (high - low))

    def to_unit(self, value: Any) -> float:
        low, high = self._scaled()
        if self.logarithmic:
            return _clip((math.log(value) - low) / (high - low)) if value > 0 and high > low else 0.0
        return _clip((value - low) / (high - low))

    def faults(self) -> list[Fault]:
        if self.logarithmic and self.low <= 0:
            return [Fault("low", self.low, "low must be above 0")]
        return _faults_of_bounds(self.low, self.high)

    def _scaled(self) -> tuple[float, float]:
        """The ends on the scale on which the numbers are uniformly distributed."""
        return (math.log(self.low), math.log(self.high)) if self.logarithmic else (self.low, self.high)

    def _value(self, scaled: float) -> float:
        return _clamp(math.exp(scaled) if self.logarithmic else float(scaled), self.low, self.high)


@dataclass(frozen=True, slots=True)
class Uniform(_Interval):
    """A real number, uniformly distributed in [low, high).

    Args:
        low: Lower end, included.
        high: Upper end, excluded; above `low`.
    """

    kind: Literal["uniform"] = field(default="uniform", repr=False)


@dataclass(frozen=True, slots=True)
class LogUniform(_Interval):
    """A positive real number whose logarithm is uniformly distributed in [log(low), log(high)).

    Args:
        low: Lower end, included; above 0.
        high: Upper end, excluded; above `low`.
    """

    kind: Literal["loguniform"] = field(default="loguniform", repr=False)

    @property
    def logarithmic(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Normal(Domain):
    """A real number from a normal distribution.

    Args:
        mean: The mean.
        std: The standard deviation; above 0.
    """

    mean: Real
    std: Real
    kind: Literal["normal"] = field(default="normal", repr=False)

    @property
    def span(self) -> tuple[float, float]:
        return self.mean - 3 * self.std, self.mean + 3 * self.std

    def draw(self, rng: np.random.Generator) -> float:
        return float(rng.normal(self.mean, self.std))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        return min(max(float(value) * factor, -LARGEST), LARGEST)

    def contains(self, value: object) -> bool:
        return _is_real(value) and math.isfinite(value)

    def from_unit(self, unit: float) -> float:
        # The quantiles of 0 and 1 are infinite.
        return self.mean + self.std * NormalDist().inv_cdf(min(max(unit, _TAIL), 1 - _TAIL))

    def to_unit(self, value: Any) -> float:
        return NormalDist().cdf((value - self.mean) / self.std)

    def faults(self) -> list[Fault]:
        if not abs(self.mean) <= LARGEST or self.std > LARGEST:
            return [Fault("mean", self.mean, f"mean and std must be at most {LARGEST:g} in magnitude")]
        return [] if self.std > 0 else [Fault("std", self.std, "std must be above 0")]


@dataclass(frozen=True, slots=True)
class IntUniform(CountableDomain):
    """A whole number in [low, high], both included; with a step, only `low`, `low + step`, `low + 2 * step`, ….

    Args:
        low: Smallest value.
        high: Upper bound; above `low`. With a step, the largest value is the last one that is not above it.
        log: Draw uniformly in the logarithm; needs `low` of at least 1.
        step: Difference between neighbouring values; at least 1.
    """

    low: Whole
    high: Whole
    log: StrictBool = False
    step: Whole = 1
    kind: Literal["intuniform"] = field(default="intuniform", repr=False)

    @property
    def bounds(self) -> tuple[int, int]:
        return self.low, self.high

    @property
    def logarithmic(self) -> bool:
        return self.log

    @property
    def whole(self) -> bool:
        return True

    @property
    def count(self) -> int:
        return (self.high - self.low) // self.step + 1

    def nth(self, number: int) -> int:
        return self.low + number * self.step

    def number(self, value: int) -> int:
        """The number of a value, from 0; for other numbers, that of the next lower value."""
        return (value - self.low) // self.step

    def draw(self, rng: np.random.Generator) -> int:
        if self.log:
            return self._rounded_down(math.exp(rng.uniform(*self._logarithms())))
        return int(CountableDomain.draw(self, rng))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> int:
        change = round(value * factor) - value
        steps, rest = divmod(abs(change), self.step)
        steps = (steps + (2 * rest >= self.step)) * (1 if change >= 0 else -1)
        return int(self._moved(value, factor, self.number(value) + steps))

    def contains(self, value: object) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high
        return whole and self.nth(self.number(value)) == value  # type: ignore[arg-type]

    def as_drawn(self, value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def from_unit(self, unit: float) -> int:
        if self.log:
            low, high = self._logarithms()
            return self._rounded_down(math.exp(low + unit * (high - low)))
        return int(CountableDomain.from_unit(self, unit))

    def to_unit(self, value: Any) -> float:
        if self.log:
            low, high = self._logarithms()
            middle = math.log(max(value, self.low) + 0.5 * self.step)
            return _clip((middle - low) / (high - low)) if high > low else 0.0
        return _clip(((value - self.low) / self.step + 0.5) / self.count)

    def faults(self) -> list[Fault]:
        if not (-INT64 <= self.low < INT64 and -INT64 <= self.high < INT64):
            return [Fault("low", self.low, "low and high must fit in 64 bits")]
        if self.log and self.low < 1:
            return [Fault("low", self.low, "low must be at least 1 where log is set")]
        if faults := _faults_of_bounds(self.low, self.high):
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

    low: Real
    high: Real
    q: Real
    kind: Literal["quniform"] = field(default="quniform", repr=False)

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def count(self) -> int:
        first, last = self._steps()
        return last - first + 1

    def nth(self, number: int) -> float:
        return float((self._steps()[0] + number) * _exact(self.q))

    def number(self, value: float) -> int:
        return round(_exact(value) / _exact(self.q)) - self._steps()[0]

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        return float(self._moved(value, factor, self.number(value * factor)))

    def contains(self, value: object) -> bool:
        if not _is_real(value) or not math.isfinite(value):
            return False
        return 0 <= (number := self.number(value)) < self.count and self.nth(number) == value

    def faults(self) -> list[Fault]:
        if self.q <= 0:
            return [Fault("q", self.q, "q must be above 0")]
        if faults := _faults_of_bounds(self.low, self.high):
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


def _is_real(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), math.nextafter(high, low))


def _clip(unit: float) -> float:
    return min(max(float(unit), 0.0), 1.0)


def _faults_of_bounds(low: float, high: float) -> list[Fault]:
    if not (abs(low) <= LARGEST and abs(high) <= LARGEST):
        return [Fault("low", low, f"low and high must be at most {LARGEST:g} in magnitude")]
    return [] if low < high else [Fault("low", low, "low must be below high")]


def _exact(value: float) -> Fraction:
    # The decimal that the user wrote, not the nearest binary number: 3 times 0.1 is 0.3.
    return Fraction(repr(float(value)))


def hashable(value: Any) -> Hashable:
    """The same for values that are the same: 1 and 1.0 are, 1 and True are not; within lists, types must be equal."""
    return (key_of(value),) if isinstance(value, list | tuple | dict) else (isinstance(value, bool), value)
