"""Which trials resume with their study: those that were running, and those that a spent budget had ended."""

from collections.abc import Collection
from typing import Literal

from pipeline.engine.decision_rows import DecisionRow
from pipeline.engine.trial import Trial
from pipeline.execution.driver.checkpoint_pruner import CheckpointPruner
from pipeline.execution.driver.record import Recorder


def extend_trials(
    trials: Collection[Trial], pruner: CheckpointPruner, recorder: Recorder, *, raised: int | None, over: bool
) -> None:
    """Pause the trials that resume, so that the loop may choose them."""
    extended = [
        trial
        for trial in trials
        if (trial.state == "completed" and trial.epoch == raised) or (trial.cut_off and not over)
    ]
    stranded = pruner.stranded(extended)
    for trial in extended:
        if trial.trial_id in stranded:
            reason = "It gets no more epochs: its checkpoints were deleted to keep to the limits of `checkpoints`."
            kind: Literal["finish", "stop"] = "finish" if trial.state == "completed" else "stop"
            recorder.add_decision(DecisionRow(trial.trial_id, trial.epoch, kind, reason, value=trial.value))
        else:
            trial.state, trial.cut_off = "paused", False
    for trial in trials:
        if trial.state == "running":
            trial.state = "paused"
