"""Commands that users give to a running study. The driver reads them from the study's folder, one after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter

from pipeline.space import Config
from pipeline.study import TuneJob

STOPPED_BY_USER = "A user stopped it"
"""How the reason of a decision begins that ends a trial because a user has requested it."""

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
class Enqueue(_Explained):
    """Try a config next, in place of the searcher's next draw."""

    config: Config
    kind: Literal["enqueue"] = "enqueue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(_Explained):
    """Pause running trials at their next report, and start none, until `Continue`."""

    session: _Count
    kind: Literal["pause"] = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue(_Explained):
    """Continue a paused study."""

    session: _Count
    kind: Literal["continue"] = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBudget(_Explained):
    """Change limits of the study; those that are None stay."""

    trials: _Count | None = None
    total_epochs: _Count | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    kind: Literal["budget"] = "budget"


Command: TypeAlias = StopTrial | Enqueue | Pause | Continue | ChangeBudget

_COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="kind")])


def command_from(values: Any) -> Command:
    """Read a command from JSON values."""
    return _COMMAND.validate_python(values)


def command_object(command: Command) -> dict[str, Any]:
    """A command as JSON values."""
    values: dict[str, Any] = _COMMAND.dump_python(command, mode="json")
    return values


def changed_limits(command: ChangeBudget) -> Mapping[str, float]:
    """The limits that a command changes, by the names of the budget's fields."""
    names = ("trials", "total_epochs", "seconds")
    return {name: value for name in names if (value := getattr(command, name)) is not None}


def refusal(command: Command, job: TuneJob, end_reason: str | None, options: Callable[[], Sequence[str]]) -> str | None:
    """Why a study that ends does not execute a command, and what to do instead; None if it does.

    Args:
        command: The command.
        job: The study's job.
        end_reason: Why it ends, if a limit is reached.
        options: Returns the options with which a resume continues it.
    """
    ending = f"The study is ending ({end_reason.rstrip('.')})" if end_reason else "The study is ending"
    match command:
        case StopTrial():
            # It holds for a resume, too.
            return None
        case Enqueue():
            return (
                f"{ending}: the config is not tried. Enqueue it once the study has ended, and resume it with "
                f"a larger budget, such as `tunepipe resume {job.name} {' '.join(options())}`."
            )
        case Pause() | Continue():
            return "The study is ending, so it cannot be paused or continued."
        case ChangeBudget():
            given = {f"--{name.replace('_', '-')}": value for name, value in changed_limits(command).items()}
            rest = [option for option in options() if option.split()[0] not in given]
            words = " ".join([*(f"{name} {value}" for name, value in given.items()), *rest])
            return (
                f"{ending}: its budget is not changed. Once it has ended, `tunepipe resume {job.name} {words}` "
                "continues it."
            )
