"""A study's state: its trials, the decisions about them, the best one, and their JSON, with which a study resumes."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic_core import to_json

from pipeline.engine.messages import EpochRow, values_in, violation_in
from pipeline.schedulers import Decision
from pipeline.space import Config
from pipeline.study import Objective
from pipeline.study.specification import RankingKey
from pipeline.text import draw_order

TrialState = Literal["running", "paused", "stopped", "completed", "failed"]

_Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class BestEpoch:
    """A trial's best epoch, with the values of all objectives and the config in force there."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    value: float
    epoch: int
    violation: Annotated[float, Field(ge=0)] = 0.0
    values: tuple[float | None, ...] = ()
    config: Config = field(default_factory=dict)


@dataclass(slots=True)
class Trial:
    """The state of a trial, as far as the next assignment depends on it."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    trial_id: Annotated[str, Field(pattern=r"^[0-9]{4,}$")]
    config: Config
    state: TrialState = "running"
    epoch: _Count = 0
    attempt: Annotated[int, Field(ge=1)] = 1
    worker_failures: _Count = 0
    """Workers lost since its last new epoch."""
    segment: Annotated[int, Field(ge=1)] = 1
    segment_start: _Count = 0
    segment_session: _Count = 0
    parent_trial: str | None = None
    parent_epoch: int | None = None
    value: float | None = None
    """The objective at its last epoch."""
    best: BestEpoch | None = None
    earlier_best: BestEpoch | None = None
    """The best epoch before its segment."""
    milestones: dict[int, tuple[float | None, ...]] = field(default_factory=dict)
    """The values of all objectives at milestones and at its end, of the first segment."""
    checkpoints: set[int] = field(default_factory=set)
    error: str | None = None
    cut_off: bool = False
    """Whether it was stopped because the study ended: with a larger budget it may continue."""
    stop_reason: str | None = None
    """Why it stops at its next report."""

    @property
    def live(self) -> bool:
        return self.state in ("running", "paused")


Kind: TypeAlias = Literal[
    "start", "stop", "pause", "promote", "exploit", "explore", "fail", "retry", "resume", "complete", "budget"
]


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision about a trial, or about the study if it has no trial; the fields are columns of the table."""

    trial_id: str | None
    epoch: int | None
    kind: Kind
    reason: str
    rung: int | None = None
    cutoff: float | None = None
    value: float | None = None
    parent_trial: str | None = None
    parent_epoch: int | None = None
    config_before: Config | None = None
    config_after: Config | None = None
    number: int = 0


def decision_row(trial: Trial, kind: Kind, decision: Decision, reason: str | None = None) -> DecisionRow:
    return DecisionRow(
        trial.trial_id,
        trial.epoch,
        kind,
        reason or decision.reason,
        rung=decision.rung,
        cutoff=decision.cutoff,
        value=trial.value,
        parent_trial=decision.parent_trial,
        parent_epoch=decision.parent_epoch,
    )


def rank(trial: Trial, objective: Objective) -> RankingKey:
    """A trial's key in the order of trials."""
    failed, best, order = trial.state == "failed", trial.best, draw_order(trial.trial_id)
    if best is None:
        return failed, True, 0.0, 0.0, 0, order
    return failed, False, best.violation, objective.loss(best.value), best.epoch, order


def better_epoch(objective: Objective, one: BestEpoch | None, than: BestEpoch | None) -> bool:
    """Whether an epoch is better than another one of its trial."""
    if one is None or than is None:
        return one is not None
    if one.violation != than.violation:
        return one.violation < than.violation
    return objective.better(one.value, than.value)


def reached(row: EpochRow, objectives: Sequence[Objective], config: Config) -> BestEpoch | None:
    """What an epoch reached; None if its objective is not finite."""
    value = row["metrics"].get(objectives[0].metric)
    if value is None or not math.isfinite(value):
        return None
    return BestEpoch(value, row["epoch"], violation_in(row, objectives), values_in(row, objectives), config)


class Incumbent:
    """The study's best trial: never a failed one, within the objectives' bounds if one is, and else by its value."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives, self._objective = objectives, objectives[0]
        self.best: Trial | None = None

    def record(self, trial: Trial, rows: Sequence[EpochRow]) -> bool:
        """Update a trial's last value and its best epoch; returns whether the study's best trial has become worse.

        A segment that another attempt reports again replaces that of the attempt before, as in the tables.
        """
        before = trial.best
        if trial.segment > 1 and trial.epoch == trial.segment_start:
            trial.earlier_best = before
        again = bool(rows) and trial.segment_start + 1 == rows[0]["epoch"] <= trial.epoch
        if again and before is not None and before.epoch > trial.segment_start:
            trial.best = trial.earlier_best
        for row in rows:
            trial.value = row["metrics"].get(self._objective.metric)
            if better_epoch(self._objective, now := reached(row, self._objectives, trial.config), trial.best):
                trial.best = now
        self.compare(trial)
        return trial is self.best and trial.best != before and not better_epoch(self._objective, trial.best, before)

    def compare(self, trial: Trial) -> None:
        """Make a trial the best if it is better than the best so far."""
        if trial.best is None or trial.state == "failed" or trial is self.best:
            return
        if self.best is None or rank(trial, self._objective) < rank(self.best, self._objective):
            self.best = trial

    def reconsider(self, trials: Iterable[Trial]) -> None:
        """Find the best trial again, after the best one has failed or become worse."""
        self.best = None
        for trial in trials:
            self.compare(trial)


@dataclass(frozen=True, slots=True)
class SavedState:
    """A study's state at the end of a session."""

    scheduler: dict[str, Any]
    trials: list[Trial]
    outcomes: dict[str, str]
    decided: int
    """How many decisions were made."""


SAVED_STATE = TypeAdapter(SavedState)
"""Reads a state from JSON values; a ValueError says that they are none."""


class StateText:
    """Converts a study's state to JSON text again and again: of trials, only those that have changed."""

    def __init__(self, state: Callable[[], SavedState]) -> None:
        self._state = state
        self._trials: dict[str, str] = {}

    def text(self, changed: Collection[str] = ()) -> str:
        state = self._state()
        for trial in state.trials:
            if trial.trial_id in changed or trial.trial_id not in self._trials:
                self._trials[trial.trial_id] = _text(trial)
        trials = ", ".join(self._trials[trial.trial_id] for trial in state.trials)
        others = {"scheduler": state.scheduler, "outcomes": state.outcomes, "decided": state.decided}
        return f'{_text(others).removesuffix("}")}, "trials": [{trials}]}}'


def _text(value: Any) -> str:
    # A seventh of the time of `json`, which takes half of a flush of a thousand trials. What is not finite is null.
    return to_json(value, inf_nan_mode="null").decode()
