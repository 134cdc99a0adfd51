"""The base of all domains: the set of values that a parameter may have, and how a value is drawn from it."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pipeline.errors import Fault

__all__ = ["CountableDomain", "Domain"]


class Domain(ABC):
    """A set of values with a distribution. Each subclass is a frozen dataclass with `kind` and its own fields.

    A constructor never raises: `faults` lists what is wrong, so that all mistakes of a job are reported together.
    """

    __slots__ = ()

    kind: str

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
        """Whether a value could have been drawn.

        Args:
            value: Any object.
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
