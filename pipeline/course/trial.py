"""A trial as the driver knows it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from pipeline.course.messages import Assignment
from pipeline.schedulers import Decision, Mode
from pipeline.searchers import Tried
from pipeline.space import Config

__all__ = ["Trial", "TrialState", "tried"]

TrialState = Literal["waiting", "running", "paused", "stopped", "completed", "failed"]

_LIVE = ("waiting", "running", "paused")


@dataclass(slots=True)
class Trial:
    """A trial's state, as far as the next assignment depends on it.

    Args:
        trial_id: The trial.
        config: Its config now.
        seed: Where its initial weights and shuffling come from.
        state: What it is doing.
        attempt: How often it was started.
        losses: How many workers it has lost since its last new epoch.
        segment: Contiguous epochs under one config, from 1.
        segment_start: Its own epoch at which this segment began.
        parent_trial: Whose weights this segment began with; None for its own.
        parent_epoch: That trial's epoch.
        epoch: Its own epoch, as last reported.
        started: Whether it has ever been started.
        value: The objective at its last epoch.
        best: The objective at its best epoch; None while it has none.
        best_epoch: That epoch.
        best_config: The config in force at that epoch.
        error: The first line of why it failed; None where it did not.
        cut_off: Whether it was stopped because the study had reached a limit: with more, it goes on.
        checkpoints: Epochs of which a checkpoint is kept.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    trial_id: Annotated[str, Field(pattern=r"^[0-9]{4,}$")]
    config: Config
    seed: int
    state: TrialState = "waiting"
    attempt: Annotated[int, Field(ge=1)] = 1
    losses: Annotated[int, Field(ge=0)] = 0
    segment: Annotated[int, Field(ge=1)] = 1
    segment_start: Annotated[int, Field(ge=0)] = 0
    parent_trial: str | None = None
    parent_epoch: int | None = None
    epoch: Annotated[int, Field(ge=0)] = 0
    started: bool = False
    value: float | None = None
    best: float | None = None
    best_epoch: int = 0
    best_config: Config = field(default_factory=dict)
    error: str | None = None
    cut_off: bool = False
    checkpoints: set[int] = field(default_factory=set)

    @property
    def live(self) -> bool:
        """Whether it may still train."""
        return self.state in _LIVE

    def assignment(self) -> Assignment:
        """What a worker needs to start it or to go on with it."""
        return Assignment(
            trial_id=self.trial_id,
            config=self.config,
            seed=self.seed,
            attempt=self.attempt,
            segment=self.segment,
            epoch=self.segment_start,
            parent_trial=self.parent_trial,
            parent_epoch=self.parent_epoch,
            heard=self.epoch,
        )

    def exploit(self, decision: Decision) -> None:
        """Begin a segment with another trial's weights, under the config that is explored from there."""
        assert decision.config is not None
        self.config, self.segment = decision.config, self.segment + 1
        self.segment_start = self.epoch
        self.parent_trial, self.parent_epoch = decision.parent_trial, decision.parent_epoch

    def to_json(self) -> dict[str, Any]:
        """The trial as JSON values."""
        value = self.value if self.value is not None and math.isfinite(self.value) else None
        return {**asdict(self), "value": value, "checkpoints": sorted(self.checkpoints)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Trial":
        """A trial from what `to_json` returned.

        Raises:
            ValueError: It is not.
        """
        return _READ.validate_python(fields)


_READ = TypeAdapter(Trial)


def tried(trial: Trial, mode: Mode) -> Tried:
    """A trial as a searcher learns from it.

    A trial counts by its best epoch and the config in force there, also where it was stopped early or waits to go on.

    Args:
        trial: The trial.
        mode: Whether more or less of the objective is better.
    """
    if trial.state == "failed":
        return Tried(trial.config, "failed")
    if trial.best is None or trial.state == "running":
        return Tried(trial.config, "open")
    return Tried(trial.best_config, "known", -trial.best if mode == "max" else trial.best)
