"""Parameters of a space: domains that list their values, domains whose branches have parameters, and plain values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictStr, Tag

from pipeline.errors import Fault
from pipeline.space.domains import (
    Domain,
    IntUniform,
    ListedDomain,
    LogUniform,
    Normal,
    QUniform,
    Uniform,
    hashable,
)
from pipeline.space.values import ReadValue, Value, column_text, plain

_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def _as_tuple(values: object) -> object:
    listed = isinstance(values, Sequence | np.ndarray) and not isinstance(values, str | bytes)
    # An array without dimensions has no items.
    return tuple(values) if listed and getattr(values, "ndim", 1) else values  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Listed(ListedDomain):
    values: Annotated[tuple[ReadValue, ...], BeforeValidator(_as_tuple)] = field()

    def faults(self) -> list[Fault]:
        if not self.values:
            return [Fault("values", self.values, "values must not be empty")]
        if len({hashable(value) for value in self.values}) < len(self.values):
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


@dataclass(frozen=True, slots=True)
class Switch(ListedDomain):
    """One of several named branches, all equally likely, each with its own hyperparameters.

    A config has the branch's name and the hyperparameters of that branch, but not those of other branches.

    Args:
        branches: Branch name → its space, which may be empty and may contain switches.
    """

    # In quotes, because a space contains domains and this domain contains spaces.
    branches: dict[StrictStr, "Space"]
    kind: Literal["switch"] = field(default="switch", repr=False)

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(self.branches)

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> str:
        # Hyperparameters of one branch have no meaning in another, so only a new draw changes it.
        return str(value)

    def faults(self) -> list[Fault]:
        if not self.branches:
            return [Fault("branches", self.branches, "branches must not be empty")]
        invalid = [name for name in self.branches if name in ("kind", "branches") or not _BRANCH.fullmatch(name)]
        if invalid:
            allowed = (
                "branches must have names of letters, digits, '_' and '-', at most 63, and not 'kind' or 'branches'; "
                f"found {', '.join(map(repr, invalid))}"
            )
            return [Fault("branches", self.branches, allowed)]
        return []


_ALL = (Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform)
DOMAINS: dict[str, type[Domain]] = {str(domain.__dataclass_fields__["kind"].default): domain for domain in _ALL}
"""Every domain by its kind in JSON."""


def _check(domain: Domain) -> Domain:
    if faults := domain.faults():
        raise ValueError("; ".join(fault.allowed for fault in faults))
    return domain


_FIELDS = ({"low", "high"}, {"mean", "std"}, {"values"}, {"branches"})
"""Fields of domains: an object that has one of these sets is a domain without its kind, and not a plain value."""


def _constant_or_domain(value: Any) -> str:
    if isinstance(value, Mapping):
        named = "kind" in value or any(fields <= value.keys() for fields in _FIELDS)
        return "domain" if named else "constant"
    is_constant = value is None or isinstance(value, bool | int | float | str | list | tuple | np.ndarray)
    return "constant" if is_constant else "domain"


AnyDomain: TypeAlias = Annotated[
    Uniform | LogUniform | IntUniform | QUniform | Normal | Choice | Grid | Switch,
    Field(discriminator="kind"),
    AfterValidator(_check),
]
"""Any domain, validated."""

Parameter: TypeAlias = Annotated[
    Annotated[ReadValue, Tag("constant")] | Annotated[AnyDomain, Tag("domain")],
    Discriminator(_constant_or_domain),
    BeforeValidator(plain),
]
"""A parameter of a space: a domain, or a plain value."""

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
