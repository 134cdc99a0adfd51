"""Which checkpoints are kept: those that are still needed, and as many others as the job allows.

Needed are: of each live trial the newest, from which it resumes, the one before in case the newest is damaged, and the
best; those whose weights the scheduler may copy; the best of the study. A trial that has ended keeps its newest
checkpoint, because it may get more epochs, and its best one: a better trial may fail later, and two may tie. A trial
that was cut off just after it took over another's weights keeps those.

Reports say which checkpoints there are, so the storage is listed only when a session starts and ends. Checkpoints are
deleted together, directly after the state of the study was written: a driver that resumes from that state finds all
checkpoints that it names.
"""

from collections.abc import Callable, Collection, Mapping, Set

from pipeline.engine.trial import Trial, rank
from pipeline.schedulers import Scheduler
from pipeline.storage import Store, layout
from pipeline.study import TuneJob

_File = tuple[str, int]


class Pruner:
    """Deletes the checkpoints that are not needed."""

    def __init__(
        self, store: Store, job: TuneJob, scheduler: Scheduler, trials: Mapping[str, Trial], check: Callable[[], None]
    ) -> None:
        self._store, self._check = store, check
        self._job, self._scheduler, self._trials = job, scheduler, trials
        self._spared: Set[_File] = frozenset()
        """Checkpoints that are kept only as long as the scheduler or another trial needs them."""

    def list_storage(self) -> Set[_File]:
        """The checkpoints that are in the storage."""
        files = map(layout.checkpoint_of, self._store.files("checkpoints"))
        return {file for file in files if file is not None}

    def prune(self, changed: Collection[str], best: Trial | None, *, listed: Set[_File] = frozenset()) -> Set[_File]:
        """Delete checkpoints of changed trials that are no longer needed, and what exceeds the limit; returns them.

        Of those that are `listed` when no report is still to come, the ones that their trials do not know go, too.
        """
        outlived = self._spared | {file for trial_id in changed for file in _outlived(self._trials[trial_id])}
        known = self._trials
        outlived |= {(one, epoch) for one, epoch in listed if one in known and epoch not in known[one].checkpoints}
        if not outlived and self._job.checkpoints.top is None:
            return frozenset()
        needed = set(self._scheduler.needed_checkpoints())
        if best is not None and best.best is not None:
            needed.add((best.trial_id, best.best.epoch))
        files = superfluous(self._trials.values(), self._job, outlived=outlived, needed=needed)
        self._spared = outlived - files
        if files:
            self._store.delete_all([layout.checkpoint(*file) for file in sorted(files)], self._check)
        return files


def superfluous(trials: Collection[Trial], job: TuneJob, *, outlived: Set[_File], needed: Set[_File]) -> Set[_File]:
    """The checkpoints to delete: those that their trials have outlived and no other needs, and those of ended trials
    that are not among the best `checkpoints.top`.
    """
    starts = frozenset[_File]()
    if job.scheduler.exploits:
        needed = needed | {file for trial in trials if trial.live and (file := _start(trial)) is not None}
        # Trials that were cut off would begin their segments there, if they got more epochs.
        waiting = (trial for trial in trials if trial.cut_off and trial.epoch == trial.segment_start)
        starts = frozenset(file for trial in waiting if (file := _start(trial)) is not None)
    files = set(outlived) - needed - starts
    if job.checkpoints.top is not None:
        ended = sorted((trial for trial in trials if not trial.live), key=lambda trial: rank(trial, job.objective))
        below = ended[job.checkpoints.top :]
        files |= {(trial.trial_id, epoch) for trial in below for epoch in trial.checkpoints} - needed
    return files


def _outlived(trial: Trial) -> set[_File]:
    """The checkpoints from which a trial does not resume, and whose weights cannot become the study's best."""
    # Epochs beyond the last report are not reported yet: their worker may still need them.
    reported = sorted(epoch for epoch in trial.checkpoints if epoch <= trial.epoch)
    newest = reported[-2:] if trial.live else reported[-1:]
    best = set() if trial.state == "failed" or trial.best is None else {trial.best.epoch}
    return {(trial.trial_id, epoch) for epoch in set(reported) - set(newest) - best}


def _start(trial: Trial) -> _File | None:
    """The checkpoint with which a trial's segment begins; None if that is the trial's own beginning."""
    if trial.parent_trial is None or trial.parent_epoch is None:
        return None
    return trial.parent_trial, trial.parent_epoch
