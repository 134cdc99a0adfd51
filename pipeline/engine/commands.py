"""Commands that users give to a running study. The driver reads them from the study's folder, one after the other."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter

STOPPED_BY_USER = "A user stopped it"
"""How the reason of a decision begins that ends a trial because a user has requested it."""

REFUSED = "Not executed: "
"""How the outcome of a command begins that changes nothing."""

_Count = Annotated[int, Field(strict=True, ge=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explained:
    """What every command has: why a user gave it. Other fields than a command's own are refused."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    reason: Annotated[str, Field(max_length=2000)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTrial(_Explained):
    """Stop a trial permanently at its next report."""

    trial_id: Annotated[str, Field(pattern=r"^[0-9]{4,20}$")]
    kind: Literal["stop-trial"] = "stop-trial"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBudget(_Explained):
    """Change limits of the study; those that are None stay."""

    trials: _Count | None = None
    total_epochs: _Count | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    kind: Literal["budget"] = "budget"


Command: TypeAlias = StopTrial | ChangeBudget

COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="kind")])
"""Reads commands from JSON values, and writes them."""
