"""Where a hyperparameter's value is drawn from.

A domain is a value: two numbers and a rule. It never raises when built; `fault` tells what is wrong with it, so that
a job's mistakes are reported together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr

__all__ = ["Choice", "Domain", "Grid", "IntUniform", "LogUniform", "Normal", "QUniform", "Scalar", "Uniform"]

Scalar: TypeAlias = bool | int | float | str
"""What a hyperparameter's value may be."""

_STRICT = {"extra": "forbid", "allow_inf_nan": False, "revalidate_instances": "always"}


@dataclass(frozen=True, slots=True)
class Uniform:
    """A real number, equally likely anywhere in [low, high).

    Args:
        low: Lower end, included.
        high: Upper end, excluded; above `low`.
    """

    low: float
    high: float
    kind: Literal["uniform"] = field(default="uniform", repr=False)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return float(rng.uniform(self.low, self.high))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply `value` by `factor`, kept within the domain."""
        return min(max(float(value) * factor, self.low), math.nextafter(self.high, self.low))

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return _is_real(value) and self.low <= value < self.high

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

    low: float
    high: float
    kind: Literal["loguniform"] = field(default="loguniform", repr=False)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(drawn, self.low), math.nextafter(self.high, self.low))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply `value` by `factor`, kept within the domain."""
        return min(max(float(value) * factor, self.low), math.nextafter(self.high, self.low))

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return _is_real(value) and self.low <= value < self.high

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

    low: int
    high: int
    log: bool = False
    kind: Literal["intuniform"] = field(default="intuniform", repr=False)

    def draw(self, rng: np.random.Generator) -> int:
        """Draw a value."""
        if not self.log:
            return int(rng.integers(self.low, self.high, endpoint=True))
        drawn = math.exp(rng.uniform(math.log(self.low), math.log(self.high + 1)))
        return min(max(int(drawn), self.low), self.high)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> int:
        """Multiply `value` by `factor`, rounded to another whole number where there is one, kept within the domain."""
        moved = round(value * factor)
        if moved == value and factor != 1:
            moved += 1 if (factor > 1) == (value >= 0) else -1
        return min(max(moved, self.low), self.high)

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def fault(self) -> str | None:
        """What is wrong with the bounds, or None."""
        return "low must be at least 1 where log is set" if self.log and self.low < 1 else _order(self.low, self.high)


@dataclass(frozen=True, slots=True)
class QUniform:
    """A multiple of `q` in [low, high], all equally likely.

    Args:
        low: Lower end.
        high: Upper end; at least one multiple of `q` lies between the two.
        q: The step; above 0.
    """

    low: float
    high: float
    q: float
    kind: Literal["quniform"] = field(default="quniform", repr=False)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        first, last = self._steps()
        return self._value(int(rng.integers(first, last, endpoint=True)))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply `value` by `factor`, moved to another multiple of `q`, kept within the domain."""
        first, last = self._steps()
        step = round(value / self.q)
        moved = round(value * factor / self.q)
        if moved == step and factor != 1:
            moved += 1 if (factor > 1) == (value >= 0) else -1
        return self._value(min(max(moved, first), last))

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        if not _is_real(value):
            return False
        first, last = self._steps()
        step = round(value / self.q)
        return first <= step <= last and math.isclose(self._value(step), value, rel_tol=1e-9, abs_tol=1e-12)

    def fault(self) -> str | None:
        """What is wrong with the bounds or the step, or None."""
        if self.q <= 0:
            return "q must be above 0"
        first, last = self._steps()
        return _order(self.low, self.high) or (None if first <= last else "no multiple of q lies between low and high")

    def _steps(self) -> tuple[int, int]:
        return math.ceil(self.low / self.q - 1e-9), math.floor(self.high / self.q + 1e-9)

    def _value(self, step: int) -> float:
        # The shortest decimal: 3 * 0.1 is stored as 0.3, as a person would write it.
        return float(f"{step * self.q:.12g}")


@dataclass(frozen=True, slots=True)
class Normal:
    """A real number from a normal distribution.

    Args:
        mean: The mean.
        std: The standard deviation; above 0.
    """

    mean: float
    std: float
    kind: Literal["normal"] = field(default="normal", repr=False)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return float(rng.normal(self.mean, self.std))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply `value` by `factor`."""
        return float(value) * factor

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return _is_real(value) and math.isfinite(value)

    def fault(self) -> str | None:
        """What is wrong with the standard deviation, or None."""
        return None if self.std > 0 else "std must be above 0"


def _as_tuple(values: object) -> object:
    return tuple(values) if isinstance(values, Sequence) and not isinstance(values, str) else values


StrictScalar: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr
"""A Scalar as pydantic should read it: 1, 1.0, True and "1" stay what they are."""

_Values = Annotated[tuple[StrictScalar, ...], BeforeValidator(_as_tuple)]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values, all equally likely.

    Args:
        values: The values; for the explore step of population based training, neighbours lie side by side.
    """

    values: _Values
    kind: Literal["choice"] = field(default="choice", repr=False)

    def draw(self, rng: np.random.Generator) -> Scalar:
        """Draw a value."""
        return self.values[int(rng.integers(len(self.values)))]

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> Scalar:
        """Move to a neighbour: the next value where `factor` is above 1, else the one before."""
        place = self.values.index(value) + (1 if factor > 1 else -1)
        return self.values[min(max(place, 0), len(self.values) - 1)]

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return any(value == known and isinstance(value, bool) == isinstance(known, bool) for known in self.values)

    def fault(self) -> str | None:
        """What is wrong with the values, or None."""
        return _distinct(self.values)


@dataclass(frozen=True, slots=True)
class Grid:
    """Every one of several values: the grid searcher tries each, others draw among them.

    Args:
        values: The values, in the order in which they are tried.
    """

    values: _Values
    kind: Literal["grid"] = field(default="grid", repr=False)

    def draw(self, rng: np.random.Generator) -> Scalar:
        """Draw a value."""
        return Choice(self.values).draw(rng)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> Scalar:
        """Move to a neighbour, as a Choice does."""
        return Choice(self.values).perturb(value, factor, rng)

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return Choice(self.values).contains(value)

    def fault(self) -> str | None:
        """What is wrong with the values, or None."""
        return _distinct(self.values)


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(low: float, high: float) -> str | None:
    return None if low < high else "low must be below high"


def _distinct(values: Sequence[Scalar]) -> str | None:
    if not values:
        return "values must not be empty"
    if len({(type(value), value) for value in values}) < len(values):
        return "values must differ from each other"
    return None


def _check(domain: Any) -> Any:
    if fault := domain.fault():
        raise ValueError(fault)
    return domain


for _domain in (Uniform, LogUniform, IntUniform, QUniform, Normal, Choice, Grid):
    _domain.__pydantic_config__ = _STRICT  # type: ignore[attr-defined]

Domain: TypeAlias = Annotated[
    Uniform | LogUniform | IntUniform | QUniform | Normal | Choice | Grid,
    Field(discriminator="kind"),
    AfterValidator(_check),
]
"""Any domain, validated: what a job's space holds for a parameter that is tuned."""
