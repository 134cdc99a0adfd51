"""Decisions about trials and about the whole study, as rows of the table `decisions`."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.engine.trial import Trial
from pipeline.schedulers import Decision
from pipeline.space import Config

Kind: TypeAlias = Literal[
    "start", "stop", "pause", "promote", "exploit", "explore", "fail", "retry", "resume", "finish", "budget"
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


def decision_row(trial: Trial, kind: Kind, decision: Decision, reason: str | None = None) -> DecisionRow:
    """A scheduler's decision about a trial as a row."""
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
