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
_Start = tuple[str | None, int | None]
"""The checkpoint with which a segment begins; (None, None) for the first segment of a trial."""


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

    def prune(self, changed: Collection[str], *, listed: Set[_File] = frozenset()) -> Set[_File]:
        """Delete checkpoints of changed trials that are no longer needed, and what exceeds the limit; returns them.

        Of those that are `listed` when no report is still to come, the ones that their trials do not know go, too.
        """
        known = self._trials
        outlived = {file for trial_id in changed for file in _outlived(known[trial_id])}
        # A changed trial's best epoch may be an earlier one again.
        outlived |= {(one, epoch) for one, epoch in self._spared if one not in changed}
        outlived |= {(one, epoch) for one, epoch in listed if one in known and epoch not in known[one].checkpoints}
        files = superfluous(known.values(), self._job, outlived, self._scheduler.needed_checkpoints())
        self._spared = outlived - files
        self._store.delete_all([layout.checkpoint(*file) for file in sorted(files)], self._check)
        return files


def superfluous(trials: Collection[Trial], job: TuneJob, outlived: Set[_File], needed: Collection[_File]) -> Set[_File]:
    """The checkpoints to delete: those that their trials have outlived and no other needs, and those of ended trials
    that are not among the best `checkpoints.top`.
    """
    kept, starts = set[_Start](needed), set[_Start]()
    if job.scheduler.exploits:
        kept |= {(trial.parent_trial, trial.parent_epoch) for trial in trials if trial.live}
        # Trials that were cut off would begin their segments there, if they got more epochs.
        waiting = (trial for trial in trials if trial.cut_off and trial.epoch == trial.segment_start)
        starts = {(trial.parent_trial, trial.parent_epoch) for trial in waiting}
    files = set(outlived).difference(kept, starts)
    if job.checkpoints.top is not None:
        ended = sorted((trial for trial in trials if not trial.live), key=lambda trial: rank(trial, job.objective))
        below = ended[job.checkpoints.top :]
        files |= {(trial.trial_id, epoch) for trial in below for epoch in trial.checkpoints}.difference(kept)
    return files


def _outlived(trial: Trial) -> set[_File]:
    """The checkpoints from which a trial does not resume, and whose weights cannot become the study's best."""
    # Epochs beyond the last report are not reported yet: their worker may still need them.
    reported = sorted(epoch for epoch in trial.checkpoints if epoch <= trial.epoch)
    newest = reported[-2:] if trial.live else reported[-1:]
    best = set() if trial.state == "failed" or trial.best is None else {trial.best.epoch}
    return {(trial.trial_id, epoch) for epoch in set(reported) - set(newest) - best}
