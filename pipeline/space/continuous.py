"""Domains of real numbers."""

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from pipeline.errors import Fault
from pipeline.space.base import Domain
from pipeline.space.bounds import as_real, clamp, clip_unit, faults_of_bounds, is_real
from pipeline.space.values import LARGEST, STRICT_CONFIG, Real

_TAIL = 1e-9


@dataclass(frozen=True, slots=True)
class Uniform(Domain):
    """A real number, uniformly distributed in [low, high).

    Args:
        low: Lower end, included.
        high: Upper end, excluded; above `low`.
    """

    __pydantic_config__ = STRICT_CONFIG

    low: Real
    high: Real
    kind: Literal["uniform"] = field(default="uniform", repr=False)

    @property
    def bounds(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return clamp(float(rng.uniform(self.low, self.high)), self.low, self.high)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply a value by a factor, within the domain."""
        return clamp(float(value) * factor, self.low, self.high)

    def contains(self, value: object) -> bool:
        """Whether a value is in the range, or its upper end, which is never drawn."""
        return is_real(value) and self.low <= value <= self.high

    def as_drawn(self, value: Any) -> Any:
        """A whole number as a real one."""
        return as_real(value)

    def from_unit(self, unit: float) -> float:
        """The value at a quantile."""
        return clamp(self.low + unit * (self.high - self.low), self.low, self.high)

    def to_unit(self, value: Any) -> float:
        """The quantile of a value."""
        return clip_unit((value - self.low) / (self.high - self.low))

    def faults(self) -> list[Fault]:
        """What is wrong with the bounds."""
        return faults_of_bounds(self.low, self.high)


@dataclass(frozen=True, slots=True)
class LogUniform(Domain):
    """A positive real number whose logarithm is uniformly distributed in [log(low), log(high)).

    Args:
        low: Lower end, included; above 0.
        high: Upper end, excluded; above `low`.
    """

    __pydantic_config__ = STRICT_CONFIG

    low: Real
    high: Real
    kind: Literal["loguniform"] = field(default="loguniform", repr=False)

    @property
    def bounds(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    @property
    def logarithmic(self) -> bool:
        """Always True."""
        return True

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return clamp(math.exp(rng.uniform(math.log(self.low), math.log(self.high))), self.low, self.high)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply a value by a factor, within the domain."""
        return clamp(float(value) * factor, self.low, self.high)

    def contains(self, value: object) -> bool:
        """Whether a value is in the range, or its upper end, which is never drawn."""
        return is_real(value) and self.low <= value <= self.high

    def as_drawn(self, value: Any) -> Any:
        """A whole number as a real one."""
        return as_real(value)

    def from_unit(self, unit: float) -> float:
        """The value at a quantile."""
        low, high = math.log(self.low), math.log(self.high)
        return clamp(math.exp(low + unit * (high - low)), self.low, self.high)

    def to_unit(self, value: Any) -> float:
        """The quantile of a value."""
        low, high = math.log(self.low), math.log(self.high)
        return clip_unit((math.log(value) - low) / (high - low)) if value > 0 and high > low else 0.0

    def faults(self) -> list[Fault]:
        """What is wrong with the bounds."""
        if self.low <= 0:
            return [Fault("low", self.low, "low must be above 0")]
        return faults_of_bounds(self.low, self.high)


@dataclass(frozen=True, slots=True)
class Normal(Domain):
    """A real number from a normal distribution.

    Args:
        mean: The mean.
        std: The standard deviation; above 0.
    """

    __pydantic_config__ = STRICT_CONFIG

    mean: Real
    std: Real
    kind: Literal["normal"] = field(default="normal", repr=False)

    @property
    def span(self) -> tuple[float, float]:
        """Three standard deviations around the mean."""
        return self.mean - 3 * self.std, self.mean + 3 * self.std

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value."""
        return float(rng.normal(self.mean, self.std))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> float:
        """Multiply a value by a factor."""
        return min(max(float(value) * factor, -LARGEST), LARGEST)

    def contains(self, value: object) -> bool:
        """Whether a value could have been drawn."""
        return is_real(value) and math.isfinite(value)

    def as_drawn(self, value: Any) -> Any:
        """A whole number as a real one."""
        return as_real(value)

    def from_unit(self, unit: float) -> float:
        """The value at a quantile."""
        # The quantiles of 0 and 1 are infinite.
        value = NormalDist().inv_cdf(min(max(unit, _TAIL), 1 - _TAIL))
        return self.mean + self.std * value

    def to_unit(self, value: Any) -> float:
        """The quantile of a value."""
        return NormalDist().cdf((value - self.mean) / self.std)

    def faults(self) -> list[Fault]:
        """What is wrong with the mean or the standard deviation."""
        if not abs(self.mean) <= LARGEST or self.std > LARGEST:
            return [Fault("mean", self.mean, f"mean and std must be at most {LARGEST:g} in magnitude")]
        return [] if self.std > 0 else [Fault("std", self.std, "std must be above 0")]
