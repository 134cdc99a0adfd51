"""Domains: the set of values that a hyperparameter may have, how a value is drawn, and what a space may contain."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, TypeGuard

import numpy as np
import pyarrow as pa
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictBool, StrictStr, Tag

from pipeline.space.values import LARGEST, STRICT_CONFIG, ReadValue, Real, Whole, column_text, key_of, plain

_MOST_STEPS = 1e9

Bound: TypeAlias = Annotated[Real, Field(ge=-LARGEST, le=LARGEST)]
Positive: TypeAlias = Annotated[Bound, Field(gt=0)]
WholeBound: TypeAlias = Annotated[Whole, Field(ge=-(2**53), le=2**53)]
"""Such whole numbers are exact as floats."""


class Domain(ABC):
    """A set of values with a distribution. Each subclass is a frozen dataclass with `kind` and its own fields.

    A constructor never raises: the job that contains it reports all mistakes together.
    """

    __slots__ = ()
    __pydantic_config__ = STRICT_CONFIG

    kind: str

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The ends of its numbers; None if it lists its values."""
        return (self.low, self.high) if isinstance(self, Uniform | LogUniform | IntUniform | QUniform) else None

    @property
    def logarithmic(self) -> bool:
        """Whether the logarithm of its numbers is uniformly distributed."""
        return isinstance(self, LogUniform) or (isinstance(self, IntUniform) and self.log)

    @property
    def whole(self) -> bool:
        """Whether it draws whole numbers; listed values have their own types."""
        return isinstance(self, IntUniform)

    def draw(self, rng: np.random.Generator) -> Any:
        return self.from_unit(rng.random())

    def perturb(self, value: Any, factor: float) -> Any:
        """A value multiplied by a factor within the domain; the next or previous one of listed values."""
        return self.from_unit(self.to_unit(value * factor))

    def contains(self, value: object) -> bool:
        """Whether a config may have a value; the upper end, which is never drawn, is allowed."""
        assert self.bounds is not None
        return _is_real(value) and self.bounds[0] <= value <= self.bounds[1]

    def as_drawn(self, value: Any) -> Any:
        """A value in the type that the domain draws: 32 for 32.0 among whole numbers; others unchanged."""
        return float(value) if _is_real(value) else value

    @abstractmethod
    def from_unit(self, unit: float) -> Any:
        """The value at a quantile of the distribution, from 0 to 1."""

    @abstractmethod
    def to_unit(self, value: Any) -> float:
        """The quantile of a value; of one of several values, that of the middle of its part."""

    def fault(self) -> str | None:
        """What is wrong with the fields together; None if nothing is."""
        return "low must be below high" if self.bounds is not None and self.bounds[0] >= self.bounds[1] else None


class CountableDomain(Domain):
    """A domain with a finite number of values."""

    __slots__ = ()

    @property
    @abstractmethod
    def count(self) -> int:
        """Number of values."""

    def draw(self, rng: np.random.Generator) -> Any:
        return self.nth(int(rng.integers(self.count - 1, endpoint=True, dtype=np.uint64)))

    @abstractmethod
    def nth(self, number: int) -> Any:
        """The value with a number, from 0."""

    @abstractmethod
    def number(self, value: Any) -> int:
        """The number of a value, from 0: the inverse of `nth`; of another number, that of a value near it."""

    def contains(self, value: object) -> bool:
        return _is_real(value) and abs(value) <= LARGEST and self.nth(self._within(self.number(value))) == value

    def perturb(self, value: Any, factor: float) -> Any:
        """At least one step in the direction of the factor."""
        number, before = self.number(value * factor), self.number(value)
        if number == before and factor != 1:
            number += 1 if (factor > 1) == (value >= 0) else -1
        return self.nth(self._within(number))

    def from_unit(self, unit: float) -> Any:
        return self.nth(min(int(unit * self.count), self.count - 1))

    def to_unit(self, value: Any) -> float:
        return _clip((self.number(value) + 0.5) / self.count)

    def _within(self, number: int) -> int:
        return min(max(number, 0), self.count - 1)


@dataclass(frozen=True, slots=True)
class Uniform(Domain):
    """A real number, uniformly distributed in [low, high).

    Args:
        low: Lower end, included.
        high: Upper end, excluded; above `low`.
    """

    low: Bound
    high: Bound
    kind: Literal["uniform"] = field(default="uniform", repr=False)

    def from_unit(self, unit: float) -> float:
        return _below(self.low + unit * (self.high - self.low), self.low, self.high)

    def to_unit(self, value: Any) -> float:
        return _clip((value - self.low) / (self.high - self.low))


@dataclass(frozen=True, slots=True)
class LogUniform(Domain):
    """A positive real number whose logarithm is uniformly distributed in [log(low), log(high)).

    Args:
        low: Lower end, included; above 0.
        high: Upper end, excluded; above `low`.
    """

    low: Positive
    high: Positive
    kind: Literal["loguniform"] = field(default="loguniform", repr=False)

    def from_unit(self, unit: float) -> float:
        low, high = math.log(self.low), math.log(self.high)
        return _below(math.exp(low + unit * (high - low)), self.low, self.high)

    def to_unit(self, value: Any) -> float:
        return _log_unit(max(value, self.low), self.low, self.high)


@dataclass(frozen=True, slots=True)
class IntUniform(CountableDomain):
    """A whole number in [low, high], both included; with a step, only `low`, `low + step`, `low + 2 * step`, ….

    Args:
        low: Smallest value.
        high: Upper bound; above `low`. With a step, the largest value is the last one that is not above it.
        log: Draw uniformly in the logarithm; needs `low` of at least 1.
        step: Difference between neighbouring values; at least 1.
    """

    low: WholeBound
    high: WholeBound
    log: StrictBool = False
    step: Annotated[Whole, Field(ge=1)] = 1
    kind: Literal["intuniform"] = field(default="intuniform", repr=False)

    @property
    def count(self) -> int:
        return (self.high - self.low) // self.step + 1

    def nth(self, number: int) -> int:
        return self.low + number * self.step

    def number(self, value: float) -> int:
        return (round(value) - self.low + self.step // 2) // self.step

    def contains(self, value: object) -> bool:
        return isinstance(value, int) and CountableDomain.contains(self, value)

    def as_drawn(self, value: Any) -> Any:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def draw(self, rng: np.random.Generator) -> int:
        return int((Domain if self.log else CountableDomain).draw(self, rng))

    def from_unit(self, unit: float) -> int:
        if not self.log:
            return int(CountableDomain.from_unit(self, unit))
        # Each value stands for all numbers up to the next one.
        low, high = math.log(self.low), math.log(self.nth(self.count))
        return self.nth(self._within((int(math.exp(low + unit * (high - low))) - self.low) // self.step))

    def to_unit(self, value: Any) -> float:
        if not self.log:
            return CountableDomain.to_unit(self, value)
        return _log_unit(max(value, self.low) + 0.5 * self.step, self.low, self.nth(self.count))

    def fault(self) -> str | None:
        if self.log and self.low < 1:
            return "low must be at least 1 where log is set"
        if fault := Domain.fault(self):
            return fault
        return None if self.step <= self.high - self.low else "step must be at most high - low"


@dataclass(frozen=True, slots=True)
class QUniform(CountableDomain):
    """A multiple of `q` in [low, high], all equally likely.

    Args:
        low: Lower end.
        high: Upper end; at least one multiple of `q` is between the two.
        q: The step; above 0.
    """

    low: Bound
    high: Bound
    q: Positive
    kind: Literal["quniform"] = field(default="quniform", repr=False)

    @property
    def count(self) -> int:
        return math.floor(self.high / self.q + 1e-6) - self._first + 1

    @property
    def _first(self) -> int:
        return math.ceil(self.low / self.q - 1e-6)

    def nth(self, number: int) -> float:
        # The decimal that the user means: 3 times 0.1 is 0.3.
        return float(f"{(self._first + number) * self.q:.15g}")

    def number(self, value: float) -> int:
        return round(value / self.q) - self._first

    def fault(self) -> str | None:
        if fault := Domain.fault(self):
            return fault
        if max(abs(self.low), abs(self.high)) / self.q > _MOST_STEPS:
            return f"low and high must be at most {_MOST_STEPS:g} times q"
        return None if self.count >= 1 else "a multiple of q must be between low and high"


def _is_real(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _below(value: float, low: float, high: float) -> float:
    return min(max(value, low), math.nextafter(high, low))


def _clip(unit: float) -> float:
    return min(max(float(unit), 0.0), 1.0)


def _log_unit(value: float, low: float, high: float) -> float:
    # The logarithms of neighbouring floats are equal.
    return _clip((math.log(value) - math.log(low)) / ((math.log(high) - math.log(low)) or 1.0))


def _hashable(value: Any) -> Hashable:
    """The same for values that are the same: 1 and 1.0 are, 1 and True are not; within lists, types must be equal."""
    return (key_of(value),) if isinstance(value, list | tuple | dict) else (isinstance(value, bool), value)


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

    def perturb(self, value: Any, factor: float) -> Any:
        return self.nth(self._within(self.number(value) + (1 if factor > 1 else -1)))

    def _place(self, value: object) -> int | None:
        key = _hashable(value)
        equal = (number for number, each in enumerate(self.values) if each == value and _hashable(each) == key)
        return next(equal, None)


def _as_tuple(values: object) -> object:
    listed = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes)
    # An array without dimensions has no items.
    return tuple(values) if listed and getattr(values, "ndim", 1) else values  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Listed(ListedDomain):
    values: Annotated[tuple[ReadValue, ...], BeforeValidator(_as_tuple), Field(min_length=1)] = field()

    def fault(self) -> str | None:
        differing = {_hashable(value) for value in self.values}, {column_text(value) for value in self.values}
        if all(len(each) == len(self.values) for each in differing):
            return None
        return 'values must differ from each other, also in the text that tables store, where 1 and "1" are the same'


@dataclass(frozen=True, slots=True)
class Choice(_Listed):
    """One of several values, all equally likely.

    Args:
        values: JSON values of any kind: numbers, strings, True, None, lists, dicts. A tuple becomes a list. The explore
            step of population based training moves to the next or the previous value; searchers with a Gaussian process
            expect neighbouring numbers to do similarly.
    """

    kind: Literal["choice"] = field(default="choice", repr=False)


@dataclass(frozen=True, slots=True)
class Grid(_Listed):
    """All of several values: the grid searcher tries each, other searchers draw from them.

    Args:
        values: JSON values, as those of a Choice, in the order in which they are tried.
    """

    kind: Literal["grid"] = field(default="grid", repr=False)


@dataclass(frozen=True, slots=True)
class Switch(ListedDomain):
    """One of several named branches, all equally likely, each with its own hyperparameters.

    A config has the branch's name and the hyperparameters of that branch, but not those of other branches.

    Args:
        branches: Branch name → its space, which may be empty and may contain switches.
    """

    # In quotes, because a space contains domains and this domain contains spaces.
    branches: Annotated[dict[StrictStr, "Space"], Field(min_length=1)]
    kind: Literal["switch"] = field(default="switch", repr=False)

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.branches)

    def perturb(self, value: Any, factor: float) -> str:
        # Hyperparameters of one branch have no meaning in another, so only a new draw changes it.
        return str(value)

    def fault(self) -> str | None:
        invalid = [name for name in self.branches if name in ("kind", "branches") or not _BRANCH.fullmatch(name)]
        names = "letters, digits, '_' and '-', at most 63, and not 'kind' or 'branches'"
        found = ", ".join(map(repr, invalid))
        return f"branches must have names of {names}; found {found}" if invalid else None


_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

_ALL = (Choice, Grid, IntUniform, LogUniform, QUniform, Switch, Uniform)
DOMAINS: dict[str, type[Domain]] = {str(domain.__dataclass_fields__["kind"].default): domain for domain in _ALL}


def _check(domain: Domain) -> Domain:
    if fault := domain.fault():
        raise ValueError(fault)
    return domain


_FIELDS = ({"low", "high"}, {"values"}, {"branches"})
"""Fields of domains: an object that has one of these sets is a domain without its kind, and not a plain value."""


def _constant_or_domain(value: Any) -> str:
    if isinstance(value, Mapping):
        named = "kind" in value or any(fields <= value.keys() for fields in _FIELDS)
        return "domain" if named else "constant"
    is_constant = value is None or isinstance(value, bool | int | float | str | list | tuple | np.ndarray)
    return "constant" if is_constant else "domain"


AnyDomain: TypeAlias = Annotated[
    Uniform | LogUniform | IntUniform | QUniform | Choice | Grid | Switch,
    Field(discriminator="kind"),
    AfterValidator(_check),
]

Parameter: TypeAlias = Annotated[
    Annotated[ReadValue, Tag("constant")] | Annotated[AnyDomain, Tag("domain")],
    Discriminator(_constant_or_domain),
    BeforeValidator(plain),
]

# Lower-case and without quotes: the name becomes the column config_<name> in every table.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

Space: TypeAlias = dict[Name, Parameter]
"""The parameters of a job by name: a domain for each that is drawn, a plain value for each that is fixed."""


def listed_values(domain: Any) -> tuple[Any, ...] | None:
    """The values of a parameter that lists them, or the value of a fixed parameter; None if it draws numbers."""
    if isinstance(domain, ListedDomain):
        return domain.values
    return None if isinstance(domain, Domain) else (domain,)


def column_type(domain: Any) -> pa.DataType:
    """The type of a parameter's column: float, int or bool for values of that type; text for any others."""
    values = listed_values(domain)
    if values is None:
        return pa.int64() if domain.whole else pa.float64()
    types = {type(value) for value in values}
    if types == {bool}:
        return pa.bool_()
    if types == {int}:
        return pa.int64()
    return pa.float64() if types <= {int, float} else pa.string()
