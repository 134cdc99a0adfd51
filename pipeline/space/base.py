"""The base of all domains: the set of values that a parameter may have, and how a value is drawn from it."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pipeline.errors import Fault


class Domain(ABC):
    """A set of values with a distribution. Each subclass is a frozen dataclass with `kind` and its own fields.

    A constructor never raises: `faults` lists what is wrong, so that all mistakes of a job are reported together.
    """

    __slots__ = ()

    kind: str

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The ends of its numbers; None if they have no ends, or if it lists its values."""
        return None

    @property
    def span(self) -> tuple[float, float] | None:
        """The ends of an interval that has nearly all of its numbers: its bounds, if any; None if it lists values."""
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
        """Draw a value.

        Args:
            rng: The source of randomness.

        Returns:
            A value of the domain: bool, int, float, str or None.
        """

    @abstractmethod
    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> Any:
        """Change a value a little, within the domain, as in population based training.

        Args:
            value: A value of the domain.
            factor: What a number is multiplied by; above 1 for a larger number or the next listed value.
            rng: The source of randomness.

        Returns:
            A value of the domain, of the type of `value`.
        """

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Whether a config may have a value.

        Args:
            value: Any object.
        """

    @abstractmethod
    def as_drawn(self, value: Any) -> Any:
        """A value as the domain would draw it: 32 for 32.0 among whole numbers, the listed value among listed ones.

        Args:
            value: Any value.

        Returns:
            The value with the type that is drawn; one that the domain does not contain is unchanged, or a number of
            that type.
        """

    @abstractmethod
    def from_unit(self, unit: float) -> Any:
        """The value at a quantile of the distribution.

        Args:
            unit: The quantile, from 0 to 1.

        Returns:
            A value of the domain: bool, int, float, str or None.
        """

    @abstractmethod
    def to_unit(self, value: Any) -> float:
        """The quantile of a value, from 0 to 1; that of the middle of its part if the value is one of several.

        Args:
            value: A value of the domain.
        """

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
        """One of the values.

        Args:
            number: Its number, from 0.

        Returns:
            A value of the domain: bool, int, float, str or None.
        """

    @abstractmethod
    def number(self, value: Any) -> int:
        """The number of a value, from 0: the inverse of `nth`.

        Args:
            value: One of the values.
        """


class ListedDomain(CountableDomain):
    """A domain that lists its values, in an order that may mean nothing."""

    __slots__ = ()

    @property
    @abstractmethod
    def values(self) -> tuple[Any, ...]:
        """The values, in their order."""

    def as_drawn(self, value: Any) -> Any:
        """The listed value: 1 for 1.0, and a dict in the order of its keys."""
        return self.nth(self.number(value)) if self.contains(value) else value
