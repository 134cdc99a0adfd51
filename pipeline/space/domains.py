"""Any domain, validated; and Switch, the domain whose branches have their own hyperparameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictStr, Tag

from pipeline.errors import Fault
from pipeline.space.base import Domain, ListedDomain
from pipeline.space.choices import Choice, Grid
from pipeline.space.continuous import LogUniform, Normal, Uniform
from pipeline.space.stepped import IntUniform, QUniform
from pipeline.space.values import STRICT_CONFIG, ReadValue, plain

_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Switch(ListedDomain):
    """One of several named branches, all equally likely, each with its own hyperparameters.

    A config has the branch's name and the hyperparameters of that branch, but not those of other branches.

    Args:
        branches: Branch name → its space, which may be empty and may contain switches.
    """

    __pydantic_config__ = STRICT_CONFIG

    # In quotes, because a space contains domains and this domain contains spaces.
    branches: dict[StrictStr, "Space"]
    kind: Literal["switch"] = field(default="switch", repr=False)

    @property
    def values(self) -> tuple[str, ...]:
        """The branches' names, which are the values of the hyperparameter itself."""
        return tuple(self.branches)

    def draw(self, rng: np.random.Generator) -> str:
        """Draw a branch."""
        return self.values[int(rng.integers(len(self.branches)))]

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> str:
        """The same branch: hyperparameters of one branch have no meaning in another, so only a new draw changes it."""
        return str(value)

    def contains(self, value: object) -> bool:
        """Whether a value could have been drawn."""
        return isinstance(value, str) and value in self.branches

    @property
    def count(self) -> int:
        """Number of branches."""
        return len(self.branches)

    def nth(self, number: int) -> str:
        """The branch with a number, from 0."""
        return self.values[number]

    def number(self, value: object) -> int:
        """The number of a branch, from 0: the inverse of `nth`.

        Args:
            value: One of the branches.

        Raises:
            ValueError: It is not one of the branches.
        """
        return Choice(self.values).number(value)

    def from_unit(self, unit: float) -> str:
        """The branch at a quantile."""
        return str(Choice(self.values).from_unit(unit))

    def to_unit(self, value: Any) -> float:
        """The quantile in the middle of a branch's part."""
        return Choice(self.values).to_unit(value)

    def faults(self) -> list[Fault]:
        """What is wrong with the branches."""
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


DOMAINS: dict[str, type[Domain]] = {
    "choice": Choice,
    "grid": Grid,
    "intuniform": IntUniform,
    "loguniform": LogUniform,
    "normal": Normal,
    "quniform": QUniform,
    "switch": Switch,
    "uniform": Uniform,
}
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
