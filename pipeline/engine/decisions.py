"""Decisions about trials and about the whole study, as rows of the table `decisions`."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from pipeline.engine.trial import Trial
from pipeline.schedulers import Decision, Selection
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


def study_row(kind: Literal["pause", "resume", "budget"], reason: str) -> DecisionRow:
    """A user's decision about the whole study: a kind of `pipeline.storage.schema.STUDY_DECISIONS`."""
    return DecisionRow(None, None, kind, reason)


def exploit_rows(trial: Trial, decision: Decision) -> tuple[DecisionRow, DecisionRow]:
    """An exploit as two rows: the exploit of another trial's weights, and the explored config."""
    copied = decision.parent_config
    exploit = replace(decision_row(trial, "exploit", decision), config_before=trial.config, config_after=copied)
    explore = DecisionRow(trial.trial_id, trial.epoch, "explore", decision.explored)
    return exploit, replace(explore, config_before=copied, config_after=decision.config)


def continued_row(trial: Trial, chosen: Selection) -> DecisionRow:
    """The decision that a paused trial continues: it is promoted, or just resumed."""
    if not chosen.promoted:
        return DecisionRow(
            trial.trial_id, trial.epoch, "resume", f"Continues after epoch {trial.epoch}: {chosen.reason}."
        )
    row = DecisionRow(trial.trial_id, trial.epoch, "promote", chosen.reason, value=trial.value)
    return replace(row, rung=chosen.rung, cutoff=chosen.cutoff)
