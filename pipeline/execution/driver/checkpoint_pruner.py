"""Which checkpoints are kept: those that are still needed, and as many others as the job's limits allow.

Needed are: of each live trial the newest, from which it resumes, the one before in case the newest is damaged, and the
best; those whose weights the scheduler may copy; the best of the study. A trial that has ended keeps its newest
checkpoint, because it may get more epochs, and its best one: a better trial may fail later, and two may tie. A trial
that was cut off just after it took over another's weights keeps those.

Reports say which checkpoints there are, so the storage is listed only when a session starts and ends. Checkpoints are
deleted together, directly after the state of the study was written: a driver that resumes from that state finds all
checkpoints that it names.
"""

from collections.abc import Callable, Collection, Mapping, Set

from pipeline.engine.messages import Report
from pipeline.engine.trial import Trial, rank
from pipeline.schedulers import Scheduler
from pipeline.storage import Store
from pipeline.study import TuneJob, layout

_File = tuple[str, int]

_MAX_BYTES = 1_000_000_000
"""Bytes of new checkpoints after which the next deletion is overdue."""


class CheckpointPruner:
    """Deletes checkpoints that are not needed."""

    def __init__(
        self,
        store: Store,
        job: TuneJob,
        scheduler: Scheduler,
        trials: Mapping[str, Trial],
        check: Callable[[], None],
    ) -> None:
        self._store, self._job, self._scheduler, self._trials, self._check = store, job, scheduler, trials, check
        self._bytes: dict[_File, int] = {}
        self._spared: set[_File] = set()
        """Checkpoints that are kept only as long as the scheduler or another trial needs them."""
        self._new_bytes = 0

    @property
    def overdue(self) -> bool:
        """Whether the bytes that were written since the last deletion require the next one now."""
        return self._new_bytes >= _MAX_BYTES

    def on_report(self, report: Report) -> None:
        """Add the size of new checkpoints."""
        for trial_id, epoch, size in report.checkpoints:
            self._new_bytes += size if (trial_id, epoch) not in self._bytes else 0
            self._bytes[trial_id, epoch] = size

    def list_storage(self) -> Set[_File]:
        """List the storage: the checkpoints that are there."""
        files = self._store.sizes("checkpoints")
        self._bytes = {file: size for path, size in files if (file := layout.checkpoint_of(path)) is not None}
        return self._bytes.keys()

    def prune(self, changed: Collection[str], best: Trial | None, *, unknown: bool = False) -> Set[_File]:
        """Delete checkpoints that are no longer needed."""
        self._new_bytes = 0
        superfluous = set(self._spared)
        for trial in (self._trials[trial_id] for trial_id in changed):
            # Epochs beyond the last report are not reported yet: their worker may still need them.
            reported = {epoch for epoch in trial.checkpoints if epoch <= trial.epoch}
            outlived = reported - _newest(reported, trial) - _best(trial)
            superfluous |= {(trial.trial_id, epoch) for epoch in outlived}
        if unknown:
            superfluous |= {
                (trial_id, epoch)
                for trial_id, epoch in self._bytes
                if trial_id in changed and epoch not in self._trials[trial_id].checkpoints
            }
        limits = self._job.checkpoints
        if not superfluous and limits.top is None and limits.gigabytes is None:
            return set()
        needed = self._needed(best)
        kept = needed | self._starts()
        self._spared = superfluous & kept
        superfluous -= kept
        superfluous |= self._beyond_limits(superfluous, needed)
        return self._delete(superfluous)

    def _needed(self, best: Trial | None) -> set[_File]:
        needed = set(self._scheduler.needed_checkpoints())
        if best is not None and best.best is not None:
            needed.add((best.trial_id, best.best.epoch))
        if self._job.scheduler.exploits:
            needed |= {file for trial in self._trials.values() if trial.live and (file := _start(trial)) is not None}
        return needed

    def _starts(self) -> set[_File]:
        """The checkpoints from which trials that were cut off would begin their segments, if they got more epochs."""
        if not self._job.scheduler.exploits:
            return set()
        waiting = [trial for trial in self._trials.values() if trial.cut_off and trial.epoch == trial.segment_start]
        return {file for trial in waiting if (file := _start(trial)) is not None}

    def _beyond_limits(self, superfluous: Set[_File], needed: Set[_File]) -> set[_File]:
        """The checkpoints beyond the limits: of ended trials, the worst first; of a trial, its newest first."""
        top, gigabytes = self._job.checkpoints.top, self._job.checkpoints.gigabytes
        if top is None and gigabytes is None:
            return set()
        ended = [trial for trial in self._trials.values() if not trial.live]
        worst_first = sorted(ended, key=lambda trial: rank(trial, self._job.objective), reverse=True)
        spare = [
            (trial.trial_id, epoch)
            for trial in worst_first
            for epoch in sorted(trial.checkpoints, key=lambda epoch: ({epoch} == _best(trial), epoch))
            if (trial.trial_id, epoch) not in needed and (trial.trial_id, epoch) not in superfluous
        ]
        excess: set[_File] = set()
        if top is not None:
            lower = {trial.trial_id for trial in worst_first[: max(0, len(worst_first) - top)]}
            excess = {file for file in spare if file[0] in lower}
        if gigabytes is not None:
            total = sum(size for file, size in self._bytes.items() if file not in excess and file not in superfluous)
            for file in (file for file in spare if file not in excess):
                if total <= gigabytes * 1e9:
                    break
                excess.add(file)
                total -= self._bytes.get(file, 0)
        return excess

    def _delete(self, files: Set[_File]) -> Set[_File]:
        if files:
            self._store.delete_all([layout.checkpoint(*file) for file in sorted(files)], self._check)
        for file in files:
            self._bytes.pop(file, None)
        return files


def _start(trial: Trial) -> _File | None:
    """The checkpoint with which a trial's segment begins; None if that is the trial's own beginning."""
    if trial.parent_trial is None or trial.parent_epoch is None:
        return None
    return trial.parent_trial, trial.parent_epoch


def _best(trial: Trial) -> set[int]:
    """A trial's best epoch, unless it failed: its weights may become the study's best."""
    return set() if trial.state == "failed" or trial.best is None else {trial.best.epoch}


def _newest(epochs: Set[int], trial: Trial) -> set[int]:
    """The epoch from which a trial resumes; for a live trial also the one before."""
    count = 2 if trial.live else 1
    return set(sorted(epochs)[-count:])
