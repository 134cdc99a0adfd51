"""The protocol of schedulers: settings that a user writes, and the state machine that they build.

A state machine gets events (a trial was added, started, reported, ended) and returns decisions, each with its reason
in words. It has no Ray, no clock and no files, uses its own random generator, and its state converts to JSON and back:
the same object serves the study, its resume, the tables and the simulation.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import Field

from pipeline.errors import Fault, InvalidJob
from pipeline.space import Config, OpenSettings, Settings
from pipeline.text import draw_order

Mode: TypeAlias = Literal["min", "max"]
Action: TypeAlias = Literal["continue", "stop", "pause", "exploit", "promote", "resume"]


@dataclass(frozen=True, slots=True)
class Decision:
    """A scheduler's answer to a report, or to a free worker: which trial it promotes, or resumes for another reason."""

    action: Action
    reason: str
    rung: int | None = None
    cutoff: float | None = None
    parent_trial: str | None = None
    parent_epoch: int | None = None
    parent_config: Config | None = None
    config: Config | None = None
    explored: str = ""
    trial_id: str = ""
    """The trial that runs next."""


@dataclass(frozen=True, slots=True)
class ObjectiveValues:
    """What an epoch reached in all objectives."""

    losses: tuple[float, ...]
    violation: float = 0.0


@dataclass(frozen=True, slots=True)
class SchedulerContext:
    """What a scheduler knows about the study."""

    space: Mapping[str, Any]
    mode: Mode
    epochs: int
    trials: int
    seed: int
    objectives: Sequence[tuple[str, Mode]] = ()


class Scheduler:
    """The state machine; by itself that of FIFO. Trials are named by their ids; epochs are a trial's own, from 1."""

    trials: int
    """The largest number of trials, which changes with the budget of a running study."""

    def add(self, trial_id: str, config: Config) -> None:
        """A trial was drawn, with this config, and waits."""

    def start(self, trial_id: str) -> None:
        """A waiting or paused trial runs from now on."""

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        """A running trial has trained a milestone epoch. A milestone that is reported again changes nothing.

        `value` is the first objective, which is finite; `values` are all of them.
        """
        return Decision("continue", "FIFO stops no trial early")

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        """A trial ended. It is a candidate again only if the study's budget is raised.

        `completed` says whether it trained to its end, or ended by itself before; otherwise it was stopped or failed.
        """

    def choose(self, candidates: Collection[str]) -> Decision | None:
        """The trial that runs next; None to draw a new one, or to leave the worker idle if there is none to draw.

        The candidates are all trials that wait or are paused, in any state of the scheduler: a trial whose worker was
        lost waits again, and so does every live one when a driver starts.
        """
        first = min(candidates, key=draw_order, default=None)
        return None if first is None else Decision("resume", "the earliest of those that wait", trial_id=first)

    def trials_to_stop(self, candidates: Collection[str], *, exhausted: bool) -> dict[str, Decision]:
        """The waiting and paused trials that will not continue, each with the decision to stop it.

        `choose` was called just before. If all trials are drawn, none runs, and none was chosen, the candidates are
        exhausted: then no trial continues.
        """
        if not exhausted:
            return {}
        return {trial_id: Decision("stop", "it was not chosen, and no other trial runs") for trial_id in candidates}

    def needed_checkpoints(self) -> set[tuple[str, int]]:
        """Checkpoints of other trials that must not be deleted: trial ids with their own epochs.

        If a live trial has reached no milestone since its newest exploit, the parent's checkpoint is among them. The
        checkpoints from which a live trial itself continues are kept anyway.
        """
        return set()

    def state(self) -> dict[str, Any]:
        """The whole state as JSON values."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state`."""


class SchedulerSettings(Settings):
    """The settings of a scheduler."""

    pauses: ClassVar[bool] = False
    """Whether trials are paused at milestones, so that many are live while few train."""

    exploits: ClassVar[bool] = False
    """Whether trials copy the weights of others, and their configs change while they train."""

    def faults(self, *, epochs: int) -> list[Fault]:
        """What makes these settings unfit for a study's budget: epochs that no trial reaches."""
        given = {name: getattr(self, name, None) or 0 for name in ("interval", "grace_period")}
        allowed = f"must be at most budget.epochs, which is {epochs}"
        return [Fault(f"scheduler.{name}", value, allowed) for name, value in given.items() if value > epochs]

    def space_faults(self, space: Mapping[str, Any]) -> list[Fault]:
        """What makes these settings unfit for a space; empty if they fit."""
        return []

    def defaults(self, epochs: int) -> dict[str, Any]:
        """The values of fields that are None, where the default depends on the maximum epochs."""
        return {}

    def resolved(self, epochs: int, before: "SchedulerSettings | None" = None) -> Self:
        """The settings as a study stores them: with a value wherever the default depends on the maximum epochs.

        `before` are the settings that the study has had so far, if it is resumed.
        """
        known = vars(before) if isinstance(before, type(self)) else {}
        unset = {n: known.get(n) or value for n, value in self.defaults(epochs).items() if getattr(self, n) is None}
        return replace(self, **unset)  # type: ignore[type-var]

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next epoch at which a trial must report, by default each one; the last one is `epochs`."""
        return epoch + 1

    def build(self, context: SchedulerContext) -> Scheduler:
        """Build the state machine for a study; the driver builds a class of Ray Tune itself."""
        allowed = "must be one of tunepipe's own schedulers if nothing is trained: asha, median, …"
        raise InvalidJob("the job", [Fault("scheduler", self.kind, allowed)])


@dataclass(frozen=True)
class RayScheduler(SchedulerSettings):
    """Any scheduler of Ray Tune that stops trials. This package does not import Ray.

    It gives no reasons, and its state cannot be saved, so its study cannot be resumed.

    Args:
        kind: The class's path: `ray.tune.schedulers.MedianStoppingRule`.
        settings: The arguments of the class, by name. The study sets metric, mode and the time attribute, and the
            maximum time unless it is given.
    """

    resumes: ClassVar[bool] = False

    kind: Annotated[str, Field(strict=True, pattern=r"^ray\.tune\.schedulers(\.[A-Za-z_]\w*)+$")]
    settings: OpenSettings = field(default_factory=dict)
