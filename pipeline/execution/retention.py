"""Which checkpoints are kept: each trial's newest, the study's best, and those a scheduler may still ask for."""

from collections.abc import Iterable, Mapping

from pipeline.execution.trial import Trial
from pipeline.schedulers import Scheduler
from pipeline.storage import Store
from pipeline.study import layout

__all__ = ["retain"]


def retain(
    store: Store,
    trials: Mapping[str, Trial],
    scheduler: Scheduler,
    best: Trial | None,
    *,
    changed: Iterable[str],
) -> None:
    """Delete checkpoints that nobody needs any more.

    Args:
        store: The study's folder.
        trials: All trials by id.
        scheduler: Says what it still needs.
        best: The study's best trial so far.
        changed: The trials among whose checkpoints there may be some to delete.
    """
    needed = set(scheduler.needed())
    if best is not None:
        needed.add((best.trial_id, best.best_epoch))
    for trial in trials.values():
        if trial.live and trial.parent_trial is not None and trial.parent_epoch is not None:
            needed.add((trial.parent_trial, trial.parent_epoch))
    for trial in (trials[trial_id] for trial_id in changed):
        newest = max(trial.checkpoints, default=0)
        for epoch in sorted(trial.checkpoints):
            if epoch != newest and (trial.trial_id, epoch) not in needed:
                store.delete(layout.checkpoint(trial.trial_id, epoch))
                trial.checkpoints.discard(epoch)
