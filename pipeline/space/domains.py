"""Any domain, validated; and the domain that holds spaces of its own, for what depends on what was drawn."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictStr, Tag

from pipeline.space.choices import Choice, Grid
from pipeline.space.numeric import IntUniform, LogUniform, Normal, QUniform, Uniform
from pipeline.space.values import SETTINGS, ReadScalar, plain

__all__ = ["DOMAINS", "Domain", "Parameter", "Space", "Switch"]

_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Switch:
    """One of several named branches, all equally likely, each with parameters of its own.

    A config holds the branch's name and the parameters of that branch; those of the others are not in it.

    Args:
        branches: Branch name → its space; empty where it needs no parameters. Branches may hold switches again.
    """

    __pydantic_config__ = SETTINGS

    # In quotes, since a space holds domains and this one holds spaces.
    branches: dict[StrictStr, "Space"]
    kind: Literal["switch"] = field(default="switch", repr=False)

    @property
    def values(self) -> tuple[str, ...]:
        """The branches' names: what the parameter itself may be."""
        return tuple(self.branches)

    def draw(self, rng: np.random.Generator) -> str:
        """Draw a branch."""
        return self.values[int(rng.integers(len(self.branches)))]

    def perturb(self, value: Any, factor: float, rng: np.random.Generator) -> str:
        """Stay: the parameters of a branch are of no use in another, so that only a new draw changes it."""
        return str(value)

    def contains(self, value: object) -> bool:
        """Whether `value` could have been drawn."""
        return isinstance(value, str) and value in self.branches

    def at(self, unit: float) -> str:
        """The branch at a place from 0 to 1."""
        return str(Choice(self.values).at(unit))

    def unit(self, value: Any) -> float:
        """The place of `value`: the middle of its part of 0 to 1."""
        return Choice(self.values).unit(value)

    def fault(self) -> str | None:
        """What is wrong with the branches, or None."""
        if not self.branches:
            return "branches must not be empty"
        taken = [name for name in self.branches if name in ("kind", "branches") or not _BRANCH.fullmatch(name)]
        if taken:
            names = ", ".join(repr(name) for name in taken)
            return (
                "branches must be called by letters, digits, '_' and '-', at most 63, and not 'kind' or 'branches'; "
                f"not so {names}"
            )
        return None


DOMAINS: dict[str, type] = {
    "choice": Choice,
    "grid": Grid,
    "intuniform": IntUniform,
    "loguniform": LogUniform,
    "normal": Normal,
    "quniform": QUniform,
    "switch": Switch,
    "uniform": Uniform,
}
"""Every domain by its kind, as JSON names it."""


def _check(domain: Any) -> Any:
    if fault := domain.fault():
        raise ValueError(fault)
    return domain


def _constant_or_domain(value: Any) -> str:
    return "constant" if isinstance(value, bool | int | float | str) else "domain"


Domain: TypeAlias = Annotated[
    Uniform | LogUniform | IntUniform | QUniform | Normal | Choice | Grid | Switch,
    Field(discriminator="kind"),
    AfterValidator(_check),
]
"""Any domain, validated."""

Parameter: TypeAlias = Annotated[
    Annotated[ReadScalar, Tag("constant")] | Annotated[Domain, Tag("domain")],
    Discriminator(_constant_or_domain),
    BeforeValidator(plain),
]
"""What a space holds under a name: a domain, or a plain value."""

# Lower-case and free of quotes: the name becomes the column config_<name> in every table.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

Space: TypeAlias = dict[Name, Parameter]
"""What is tuned: a domain for each parameter that is drawn, a plain value for each that is fixed."""
