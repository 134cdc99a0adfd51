"""Decisions about trials and about the whole study, as rows of the table `decisions`."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from pipeline.engine.trial import Trial
from pipeline.schedulers import Decision
from pipeline.space import Config

Kind: TypeAlias = Literal[
    "start", "stop", "pause", "promote", "exploit", "explore", "fail", "retry", "resume", "finish", "budget"
]

StudyKind: TypeAlias = Literal["pause", "resume", "budget"]
"""The kinds of `pipeline.storage.schema.STUDY_DECISIONS`."""


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision about a trial, or about the study if it has no trial.

    The columns of the table `decisions` define its fields.
    """

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


def study_row(kind: StudyKind, reason: str) -> DecisionRow:
    """A user's decision about the whole study as a row, without a trial and an epoch."""
    return DecisionRow(None, None, kind, reason)


def exploit_rows(trial: Trial, decision: Decision) -> tuple[DecisionRow, DecisionRow]:
    """An exploit as two rows: the exploit of another trial's weights, and the explored config."""
    copied, explored = decision.parent_config, decision.config
    exploit = decision_row(trial, "exploit", decision)
    return (
        replace(exploit, config_before=trial.config, config_after=copied),
        DecisionRow(
            trial.trial_id, trial.epoch, "explore", decision.explored, config_before=copied, config_after=explored
        ),
    )
