"""Which checkpoints are kept: each trial's newest and its best, and those a scheduler may still ask for.

Each trial's best, not only the study's: a better trial may fail in the end, and two may tie.
"""

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
    *,
    changed: Iterable[str],
) -> None:
    """Delete checkpoints that nobody needs any more.

    Args:
        store: The study's folder.
        trials: All trials by id.
        scheduler: Says what it still needs.
        changed: The trials among whose checkpoints there may be some to delete.
    """
    needed = set(scheduler.needed())
    for trial in trials.values():
        if trial.state != "failed":
            needed.add((trial.trial_id, trial.best_epoch))
        if trial.live and trial.parent_trial is not None and trial.parent_epoch is not None:
            needed.add((trial.parent_trial, trial.parent_epoch))
    for trial in (trials[trial_id] for trial_id in changed):
        newest = max(trial.checkpoints, default=0)
        for epoch in sorted(trial.checkpoints):
            if epoch != newest and (trial.trial_id, epoch) not in needed:
                store.delete(layout.checkpoint(trial.trial_id, epoch))
                trial.checkpoints.discard(epoch)
