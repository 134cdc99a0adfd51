"""Domains of listed values."""

from collections.abc import Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator

from pipeline.errors import Fault
from pipeline.space.base import ListedDomain
from pipeline.space.column_values import column_text
from pipeline.space.values import STRICT_CONFIG, ReadValue, Value, key_of


def _as_tuple(values: object) -> object:
    listed = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes)
    # An array without dimensions has no items.
    return tuple(values) if listed and getattr(values, "ndim", 1) else values  # type: ignore[arg-type]


_Values = Annotated[tuple[ReadValue, ...], BeforeValidator(_as_tuple)]


@dataclass(frozen=True, slots=True)
class _Listed(ListedDomain):
    """Listed values, in an order. Methods return copies, because a value may be a list that the user's code changes."""

    __pydantic_config__ = STRICT_CONFIG

    values: _Values = field()

    def draw(self, rng: np.random.Generator) -> Value:
        """Draw a value."""
        return self.nth(int(rng.integers(len(self.values))))

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> Value:
        """A neighbour: the next value if the factor is above 1, else the previous one."""
        number = self.number(value) + (1 if factor > 1 else -1)
        return self.nth(min(max(number, 0), len(self.values) - 1))

    def contains(self, value: object) -> bool:
        """Whether a value could have been drawn."""
        return self._place(value) is not None

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.values)

    def nth(self, number: int) -> Value:
        """The value with a number, from 0."""
        return deepcopy(self.values[number])

    def number(self, value: object) -> int:
        """The number of a value, from 0: the inverse of `nth`."""
        if (number := self._place(value)) is None:
            raise ValueError(f"{value!r:.100} is not one of the values")
        return number

    def from_unit(self, unit: float) -> Value:
        """The value at a quantile; all values have equal parts."""
        return self.nth(min(int(unit * len(self.values)), len(self.values) - 1))

    def to_unit(self, value: Any) -> float:
        """The quantile in the middle of a value's part."""
        return (self.number(value) + 0.5) / len(self.values)

    def _place(self, value: object) -> int | None:
        """The number of a value; None if it is not one of the values."""
        try:
            # A comparison of each of a thousand values in turn takes longer than the rest of a draw.
            first = 0 if isinstance(value, list | tuple | dict) else self.values.index(value)
        except ValueError:
            return None
        return next((number for number in range(first, len(self.values)) if _same(value, self.values[number])), None)

    def faults(self) -> list[Fault]:
        """What is wrong with the values."""
        if not self.values:
            return [Fault("values", self.values, "values must not be empty")]
        if len({_hashable(value) for value in self.values}) < len(self.values):
            return [Fault("values", self.values, "values must differ from each other")]
        texts: dict[str, Value] = {}
        for value in self.values:
            if (text := column_text(value)) in texts:
                # Values of several types are stored in a column of text, where "1" and 1 are the same.
                both = f"{texts[text]!r:.40} and {value!r:.40}"
                allowed = f"values must also differ in the text that tables store, where {both} are the same"
                return [Fault("values", self.values, allowed)]
            texts[text] = value
        return []


@dataclass(frozen=True, slots=True)
class Choice(_Listed):
    """One of several values, all equally likely.

    Args:
        values: JSON values of any kind: numbers, strings, True, None, lists, dicts. A tuple becomes a list. The explore
            step of population based training moves to the next or the previous value.
    """

    kind: Literal["choice"] = field(default="choice", repr=False)


@dataclass(frozen=True, slots=True)
class Grid(_Listed):
    """All of several values: the grid searcher tries each, other searchers draw from them.

    Args:
        values: JSON values, as those of a Choice, in the order in which they are tried.
    """

    kind: Literal["grid"] = field(default="grid", repr=False)


def _same(value: object, known: Value) -> bool:
    """Whether a value equals a listed one: 1.0 equals 1, True does not; within lists and dicts, types must be equal."""
    if isinstance(known, list | tuple | dict):
        return isinstance(value, list | tuple | dict) and key_of(value) == key_of(known)
    return value == known and isinstance(value, bool) == isinstance(known, bool)


def _hashable(value: Value) -> Hashable:
    """The same for values that are the same: 1 and 1.0 are, 1 and True are not."""
    return (key_of(value),) if isinstance(value, list | tuple | dict) else (isinstance(value, bool), value)
