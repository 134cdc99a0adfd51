"""A trial as the driver knows it."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from pipeline.engine.messages import Assignment
from pipeline.engine.objective_values import Values, objective_values_of
from pipeline.schedulers import Decision, Mode, ObjectiveValues
from pipeline.searchers import Observation
from pipeline.space import Config
from pipeline.study import Objective

TrialState = Literal["waiting", "running", "paused", "stopped", "completed", "failed"]

LIVE_STATES: Collection[TrialState] = ("waiting", "running", "paused")
"""The states of a trial that may still train."""


@dataclass(frozen=True, slots=True)
class BestEpoch:
    """A trial's best epoch; without a value, none."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    value: float | None = None
    epoch: int = 0
    violation: Annotated[float, Field(ge=0)] = 0.0
    values: Values = ()
    config: Config = field(default_factory=dict)


@dataclass(slots=True)
class Trial:
    """The state of a trial, as far as the next assignment depends on it."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    trial_id: Annotated[str, Field(pattern=r"^[0-9]{4,}$")]
    config: Config
    seed: int
    state: TrialState = "waiting"
    attempt: Annotated[int, Field(ge=1)] = 1
    worker_failures: Annotated[int, Field(ge=0)] = 0
    segment: Annotated[int, Field(ge=1)] = 1
    segment_start: Annotated[int, Field(ge=0)] = 0
    segment_session: Annotated[int, Field(ge=0)] = 0
    parent_trial: str | None = None
    parent_epoch: int | None = None
    epoch: Annotated[int, Field(ge=0)] = 0
    started: bool = False
    value: float | None = None
    best: float | None = None
    best_epoch: int = 0
    best_values: tuple[float | None, ...] = ()
    violation: Annotated[float, Field(ge=0)] = 0.0
    best_config: Config = field(default_factory=dict)
    earlier_best: BestEpoch | None = None
    error: str | None = None
    cut_off: bool = False
    checkpoints: set[int] = field(default_factory=set)
    milestones: dict[int, float] = field(default_factory=dict)
    measures: dict[int, tuple[float | None, ...]] = field(default_factory=dict)
    reason: str = "Drawn by the searcher."
    enqueued: bool = False
    stop_reason: str | None = None
    finished: bool = False

    @property
    def live(self) -> bool:
        """Whether it may still train."""
        return self.state in LIVE_STATES

    def assignment(self, *, new: bool = False) -> Assignment:
        """The assignment with which a worker starts or continues it."""
        return Assignment(
            trial_id=self.trial_id,
            config=self.config,
            seed=self.seed,
            attempt=self.attempt,
            segment=self.segment,
            segment_session=self.segment_session,
            epoch=self.segment_start,
            parent_trial=self.parent_trial,
            parent_epoch=self.parent_epoch,
            reported_epoch=self.epoch,
            new=new,
            finished=self.finished,
        )

    def exploit(self, decision: Decision) -> None:
        """Start a segment with another trial's weights, under the explored config."""
        assert decision.config is not None
        self.milestones.clear()
        self.measures.clear()
        self.config, self.segment = decision.config, self.segment + 1
        self.segment_start = self.epoch
        self.parent_trial, self.parent_epoch = decision.parent_trial, decision.parent_epoch

    def to_json(self) -> dict[str, Any]:
        """The trial as JSON values."""
        value = self.value if self.value is not None and math.isfinite(self.value) else None
        milestones = {str(epoch): reached for epoch, reached in self.milestones.items()}
        measures = {str(epoch): list(values) for epoch, values in self.measures.items()}
        values = {name: getattr(self, name) for name in _NAMES}
        earlier = None if self.earlier_best is None else asdict(self.earlier_best)
        as_json = {
            "earlier_best": earlier,
            "checkpoints": sorted(self.checkpoints),
            "best_values": list(self.best_values),
        }
        return {**values, **as_json, "value": value, "milestones": milestones, "measures": measures}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Trial":
        """Read a trial from the result of `to_json`."""
        return _READ.validate_python({_RENAMED.get(name, name): value for name, value in values.items()})


_READ = TypeAdapter(Trial)
_NAMES = tuple(field.name for field in fields(Trial))
_RENAMED = {"losses": "worker_failures"}


def observation(trial: Trial, mode: Mode, objectives: Sequence[Objective] = ()) -> Observation:
    """A trial as a searcher learns from it.

    A trial counts by its best epoch and the config in force there, even if it was stopped early or is paused. One that
    has ended without a value counts as failed.
    Its curve has every milestone so far, even while it trains.
    """
    sign = -1 if mode == "max" else 1
    curve = tuple((epoch, sign * trial.milestones[epoch]) for epoch in sorted(trial.milestones))
    of_all = {
        epoch: objective_values_of(trial.measures[epoch], objectives) for epoch in sorted(trial.measures) if objectives
    }
    milestone_values = tuple((epoch, one.losses, one.violation) for epoch, one in of_all.items())
    if trial.state == "failed" or (trial.best is None and not trial.live):
        return Observation(
            trial.config, "failed", curve=curve, trial_id=trial.trial_id, milestone_values=milestone_values
        )
    if trial.best is None or trial.state == "running":
        return Observation(
            trial.config, "open", curve=curve, trial_id=trial.trial_id, milestone_values=milestone_values
        )
    if not curve and trial.segment == 1:
        # Studies of earlier versions did not keep milestones.
        curve = ((trial.best_epoch, sign * trial.best),)
    best = (
        objective_values_of(trial.best_values, objectives)
        if objectives and trial.best_values
        else ObjectiveValues((), 0.0)
    )
    return Observation(
        trial.best_config,
        "known",
        sign * trial.best,
        curve,
        trial.trial_id,
        trial.state == "completed",
        losses=best.losses,
        violation=best.violation,
        milestone_values=milestone_values,
    )
