"""Which checkpoints are kept: those that are still needed, and as many others as the job's limits allow.

Needed are: of each live trial the newest, from which it resumes, the one before in case the newest is damaged, and the
best; those whose weights the scheduler may copy; the best of the study. A trial that has ended keeps its newest
checkpoint, because it may get more epochs, and its best one: a better trial may fail later, and two may tie. A trial
that was cut off just after it took over another's weights keeps those.

Reports say which checkpoints there are, so the storage is listed only when a session starts and ends. Checkpoints are
deleted together, directly after the state of the study was written: a driver that resumes from that state finds all
checkpoints that it names.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Set

from pipeline.engine.incumbent import rank
from pipeline.engine.messages import ProgressReport
from pipeline.engine.trial import Trial
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

    def on_report(self, trial_id: str, report: ProgressReport) -> None:
        """Add the size of new checkpoints."""
        found = [((trial_id, epoch), size) for epoch, size in report.checkpoints.items()]
        for file, size in [*found, *(((trial, epoch), size) for trial, epoch, size in report.left)]:
            self._new_bytes += size if file not in self._bytes else 0
            self._bytes[file] = size

    def list_storage(self) -> set[str]:
        """List the storage: of each trial, `checkpoints` holds those of its files that were known, or all if none was.

        Files of its best and of its last epoch count as known: its worker may have written them after the last report.
        Other files stay: a killed driver may have drawn a trial that is drawn again.
        """
        files = self._store.sizes("checkpoints")
        self._bytes = {file: size for path, size in files if (file := layout.checkpoint_of(path)) is not None}
        checkpoints = _by_trial(self._bytes)
        changed: set[str] = set()
        for trial in self._trials.values():
            found, before = checkpoints.get(trial.trial_id, set()), trial.checkpoints
            known = found & before
            trial.checkpoints = known | (found & {trial.best_epoch, trial.epoch}) if known else found
            if trial.checkpoints != before:
                changed.add(trial.trial_id)
        return changed

    def prune(self, changed: Collection[str], best: Trial | None, *, unknown: bool = False) -> set[str]:
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

    def stranded(self, trials: Iterable[Trial]) -> set[str]:
        """Which trials cannot be trained further, neither from the beginning nor from an existing checkpoint.

        Only the first segment can be trained again: a later one began with another trial's weights.
        """
        return {
            trial.trial_id
            for trial in trials
            if trial.segment > 1
            and (trial.parent_trial, trial.parent_epoch) not in self._bytes
            and not any(epoch > trial.segment_start for epoch in trial.checkpoints)
        }

    def _needed(self, best: Trial | None) -> set[_File]:
        needed = set(self._scheduler.needed_checkpoints())
        if best is not None:
            needed.add((best.trial_id, best.best_epoch))
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
            for epoch in sorted(trial.checkpoints, key=lambda epoch: (epoch == trial.best_epoch, epoch))
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

    def _delete(self, files: Set[_File]) -> set[str]:
        if not files:
            return set()
        self._store.delete_all([layout.checkpoint(*file) for file in sorted(files)], self._check)
        for trial_id, epoch in files:
            self._bytes.pop((trial_id, epoch), None)
            self._trials[trial_id].checkpoints.discard(epoch)
        return {trial_id for trial_id, _ in files}


def _by_trial(files: Iterable[_File]) -> dict[str, set[int]]:
    epochs: dict[str, set[int]] = {}
    for trial_id, epoch in files:
        epochs.setdefault(trial_id, set()).add(epoch)
    return epochs


def _start(trial: Trial) -> _File | None:
    """The checkpoint with which a trial's segment begins; None if that is the trial's own beginning."""
    if trial.parent_trial is None or trial.parent_epoch is None:
        return None
    return trial.parent_trial, trial.parent_epoch


def _best(trial: Trial) -> set[int]:
    """A trial's best epoch, unless it failed: its weights may become the study's best."""
    return set() if trial.state == "failed" else {trial.best_epoch}


def _newest(epochs: Set[int], trial: Trial) -> set[int]:
    """The epoch from which a trial resumes; for a live trial also the one before."""
    count = 2 if trial.live else 1
    return set(sorted(epochs)[-count:])
