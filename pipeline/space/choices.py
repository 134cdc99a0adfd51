"""Domains of listed values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator

from pipeline.space.values import SETTINGS, ReadScalar, Scalar

__all__ = ["Choice", "Grid"]


def _as_tuple(values: object) -> object:
    listed = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes)
    return tuple(values) if listed else values  # type: ignore[arg-type]


_Values = Annotated[tuple[ReadScalar, ...], BeforeValidator(_as_tuple)]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values, all equally likely.

    Args:
        values: The values; for the explore step of population based training, neighbours lie side by side.
    """

    __pydantic_config__ = SETTINGS

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

    def at(self, unit: float) -> Scalar:
        """The value at a place from 0 to 1, each having an equal part."""
        return self.values[min(int(unit * len(self.values)), len(self.values) - 1)]

    def unit(self, value: Any) -> float:
        """The place of `value`: the middle of its part of 0 to 1."""
        return (self.values.index(value) + 0.5) / len(self.values)

    def fault(self) -> str | None:
        """What is wrong with the values, or None."""
        return _distinct(self.values)


@dataclass(frozen=True, slots=True)
class Grid:
    """Every one of several values: the grid searcher tries each, others draw among them.

    Args:
        values: The values, in the order in which they are tried.
    """

    __pydantic_config__ = SETTINGS

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

    def at(self, unit: float) -> Scalar:
        """The value at a place from 0 to 1, as a Choice has it."""
        return Choice(self.values).at(unit)

    def unit(self, value: Any) -> float:
        """The place of `value`, as a Choice has it."""
        return Choice(self.values).unit(value)

    def fault(self) -> str | None:
        """What is wrong with the values, or None."""
        return _distinct(self.values)


def _distinct(values: Sequence[Scalar]) -> str | None:
    if not values:
        return "values must not be empty"
    # As text too: a choice of mixed types is a column of text, where "1" and 1 look the same.
    if len(set(values)) < len(values) or len({str(value) for value in values}) < len(values):
        return "values must differ from each other"
    return None
