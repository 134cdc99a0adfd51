"""Which trials go on when their study does: those that were running, and those that had ended only for want of more."""

from collections.abc import Collection
from typing import Literal

from pipeline.course.decided import DecisionRow
from pipeline.course.trial import Trial
from pipeline.execution.recorder import Recorder
from pipeline.execution.retention import Retention

__all__ = ["give_more"]


def give_more(
    trials: Collection[Trial], retention: Retention, recorder: Recorder, *, grown: int | None, over: bool
) -> None:
    """Have trials wait for their turn again.

    Args:
        trials: All of the study, as its last session left them.
        retention: Knows whose checkpoints are gone.
        recorder: Is told of those that cannot go on.
        grown: A trial's maximum of epochs in the last session, if there is more now: who had reached it goes on.
        over: Whether a limit of the study is reached already.
    """
    more = [
        trial
        for trial in trials
        if (trial.state == "completed" and trial.epoch == grown) or (trial.cut_off and not over)
    ]
    stranded = retention.stranded(more)
    for trial in more:
        if trial.trial_id in stranded:
            reason = "It gets no more epochs: its checkpoints went for the study's budget of them."
            kind: Literal["finish", "stop"] = "finish" if trial.state == "completed" else "stop"
            recorder.decision(DecisionRow(trial.trial_id, trial.epoch, kind, reason, value=trial.value))
        else:
            trial.state, trial.cut_off = "paused", False
    for trial in trials:
        if trial.state == "running":
            trial.state = "paused"
