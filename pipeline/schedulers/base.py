"""What every scheduler is: settings a person writes, and a pure state machine they build.

A state machine sees events (a trial was added, started, reported, ended) and answers with decisions, each with its
reason in words. It knows no Ray, no clock and no files, draws from its own generator, and its whole state goes to JSON
and back: the same object serves the study, its resume, the tables and the simulation.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict

from pipeline.errors import Fault
from pipeline.space import Config
from pipeline.space.values import SETTINGS

__all__ = [
    "Action",
    "Chosen",
    "Decision",
    "Mode",
    "Scheduler",
    "SchedulerSettings",
    "Setting",
    "earliest",
]

Mode: TypeAlias = Literal["min", "max"]
Action: TypeAlias = Literal["continue", "stop", "pause", "exploit"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a scheduler answers to a report.

    Args:
        action: `continue` training, `stop` for good, `pause` until chosen again, or `exploit` another trial's weights
            and go on with `config`.
        reason: Why, in words a person reads: with the numbers that were compared.
        rung: The rung in epochs at which the decision fell, where the scheduler has rungs.
        cutoff: The value that had to be reached, where there was one.
        parent_trial: For exploit: whose weights are taken.
        parent_epoch: For exploit: that trial's own epoch whose checkpoint is taken.
        parent_config: For exploit: that trial's config.
        config: For exploit: the config that is explored from now on.
        explored: For exploit: how that config came from the parent's, parameter by parameter.
    """

    action: Action
    reason: str
    rung: int | None = None
    cutoff: float | None = None
    parent_trial: str | None = None
    parent_epoch: int | None = None
    parent_config: Config | None = None
    config: Config | None = None
    explored: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who runs next.

    Args:
        trial_id: The trial, which waits or is paused.
        reason: Why it is this one, in words a person reads.
        promoted: Whether it goes on because it was better than others, rather than because its turn has come.
        rung: For a promotion: the rung in epochs from which it goes on.
        cutoff: For a promotion: the value of the last that goes on from there.
    """

    trial_id: str
    reason: str
    promoted: bool = False
    rung: int | None = None
    cutoff: float | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """The study as far as a scheduler needs to know it.

    Args:
        space: What is tuned.
        mode: Whether larger (`max`) or smaller (`min`) values are better.
        epochs: A trial's maximum, in epochs.
        trials: How many trials the study has at most: the population's size.
        seed: Where the scheduler's own draws come from.
    """

    space: Mapping[str, Any]
    mode: Mode
    epochs: int
    trials: int
    seed: int


class Scheduler:
    """The state machine. Trials are named by their ids; epochs are a trial's own, from 1."""

    def add(self, trial_id: str, config: Config) -> None:
        """A trial was drawn and waits."""

    def start(self, trial_id: str) -> None:
        """A waiting or paused trial runs from now on."""

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        """A running trial has finished a milestone epoch. A milestone reported again changes nothing.

        Args:
            trial_id: The trial.
            epoch: Its own epoch, one of the settings' milestones.
            value: The objective at that epoch; finite.
        """
        raise NotImplementedError

    def end(self, trial_id: str) -> None:
        """A trial ended: completed, stopped or failed. It is a candidate again only where its study is given more."""

    def choose(self, candidates: Collection[str]) -> Chosen | None:
        """Which trial runs next.

        Args:
            candidates: All trials that wait or are paused, whatever the scheduler thinks of them: a trial whose
                worker was lost waits again, and so does every live one when a driver starts.

        Returns:
            One of them, or None: draw a new trial, or leave the worker idle where there is none to draw.
        """
        first = min(candidates, key=earliest, default=None)
        return None if first is None else Chosen(first, "the earliest of those that wait")

    def dismissed(self, candidates: Collection[str], *, exhausted: bool) -> dict[str, Decision]:
        """Which of those that wait or are paused will not go on, and why.

        Args:
            candidates: As for `choose`, which was asked just before.
            exhausted: Whether all trials are drawn, none runs, and none was chosen: then nobody goes on, and each has
                a reason.
        """
        if not exhausted:
            return {}
        return {trial_id: Decision("stop", "it was not chosen, and no other trial runs") for trial_id in candidates}

    def needed(self) -> set[tuple[str, int]]:
        """Checkpoints of others that must not be deleted: trial ids with their own epochs.

        Where a live trial's newest exploit is not yet followed by a milestone of its own, the donor's is among them.
        What a live trial goes on from itself is kept anyway.
        """
        return set()

    def state(self) -> dict[str, Any]:
        """The whole state as JSON values."""
        raise NotImplementedError

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `state` returned."""
        raise NotImplementedError


@dataclass(frozen=True)
class SchedulerSettings:
    """What a person sets on a scheduler. Each subclass adds `kind` and its own fields."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    pauses: ClassVar[bool] = False
    """Whether trials are paused at milestones, so that many are alive though few train."""

    exploits: ClassVar[bool] = False
    """Whether trials take over the weights of others, and their configs change while they train."""

    resumes: ClassVar[bool] = True
    """Whether a study can be gone on with: what the state machine knows can be saved."""

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """What makes these settings unfit for a study's budget; nothing where they fit.

        Args:
            epochs: A trial's maximum.
            trials: How many trials the study has at most.
        """
        return []

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next epoch at which a trial must report.

        Args:
            epoch: The trial's own epoch now; 0 before the first.
            epochs: The trial's maximum.

        Returns:
            An epoch above `epoch`, at most `epochs`.
        """
        raise NotImplementedError

    def leaves_checkpoint(self, epoch: int, epochs: int) -> bool:
        """Whether a trial has to leave a checkpoint at a milestone, since it may be paused or exploited there.

        Args:
            epoch: The milestone.
            epochs: The trial's maximum.
        """
        return self.pauses or self.exploits

    def build(self, setting: Setting) -> Scheduler:
        """The state machine for a study."""
        raise NotImplementedError


def earliest(trial_id: str) -> tuple[int, str]:
    """A key that sorts trials by their number: ids are zero-padded, up to a length."""
    return len(trial_id), trial_id
