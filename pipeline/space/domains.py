"""Any domain, validated: what a job's space holds for a parameter that is tuned."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

from pipeline.space.choices import Choice, Grid
from pipeline.space.numeric import IntUniform, LogUniform, Normal, QUniform, Uniform

__all__ = ["DOMAINS", "Domain"]

DOMAINS: dict[str, type] = {
    "choice": Choice,
    "grid": Grid,
    "intuniform": IntUniform,
    "loguniform": LogUniform,
    "normal": Normal,
    "quniform": QUniform,
    "uniform": Uniform,
}
"""Every domain by its kind, as JSON names it."""


def _check(domain: Any) -> Any:
    if fault := domain.fault():
        raise ValueError(fault)
    return domain


Domain: TypeAlias = Annotated[
    Uniform | LogUniform | IntUniform | QUniform | Normal | Choice | Grid,
    Field(discriminator="kind"),
    AfterValidator(_check),
]
"""Any domain, validated."""
