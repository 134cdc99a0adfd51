"""Which checkpoints are kept: what somebody still needs, and of the others as many as the study may keep.

Needed are: of each live trial the newest, where it goes on, the one before, should the newest be damaged, and the best;
what a scheduler may hand over; the best of the study. A trial that ended keeps its newest: it may be given more epochs;
and its best, not only the best of the study: a better trial may fail in the end, and two may tie.
"""

from collections.abc import Callable, Iterable, Mapping, Set

from pipeline.course.trial import Trial
from pipeline.schedulers import Scheduler
from pipeline.storage import Store
from pipeline.study import TuneJob, layout

__all__ = ["Retention"]

_Files = dict[tuple[str, int], int]


class Retention:
    """Deletes checkpoints that nobody needs.

    Args:
        store: The study's folder.
        job: The study's job: how much it may keep.
        scheduler: Says what it still needs.
        check: Raises where the study is another driver's by now: then nothing is deleted.
    """

    def __init__(self, store: Store, job: TuneJob, scheduler: Scheduler, check: Callable[[], None]) -> None:
        self._store, self._job, self._scheduler, self._check = store, job, scheduler, check

    def after_report(self, trial: Trial, trials: Mapping[str, Trial], best: Trial | None) -> None:
        """Delete those that a trial has outlived; it costs next to nothing where there are none.

        Args:
            trial: Who reported.
            trials: All trials by id.
            best: The study's best trial.
        """
        outlived = trial.checkpoints - _newest(trial.checkpoints, trial) - _best(trial)
        if outlived:
            needed = self._needed(trials.values(), best)
            self._delete({(trial.trial_id, epoch) for epoch in outlived} - needed, trials)

    def sweep(self, trials: Mapping[str, Trial], best: Trial | None) -> None:
        """Look at every file there is, also those that a worker left when its trial was taken from it.

        Args:
            trials: All trials by id.
            best: The study's best trial.
        """
        files = self._files()
        needed = self._needed(trials.values(), best)
        kept: _Files = {}
        for trial_id, epochs in _by_trial(files).items():
            trial = trials.get(trial_id)
            if trial is None:
                wanted = epochs
            else:
                # What lies beyond the last report is the worker's to tell of.
                beyond = {epoch for epoch in epochs if epoch > trial.epoch}
                wanted = _newest(epochs, trial) | _best(trial) | beyond
            for epoch in epochs:
                if epoch in wanted or (trial_id, epoch) in needed:
                    kept[trial_id, epoch] = files[trial_id, epoch]
        beyond_limits = self._beyond_limits(kept, needed, trials)
        self._delete((files.keys() - kept.keys()) | beyond_limits, trials)

    def stranded(self, trials: Iterable[Trial]) -> set[str]:
        """Which trials cannot be trained on, neither anew nor from a checkpoint that is still there.

        Only the first segment can be trained anew: a later one began with another trial's weights.

        Args:
            trials: Those that may get more epochs.
        """
        later = [trial for trial in trials if trial.segment > 1]
        files = self._files() if later else {}
        return {
            trial.trial_id
            for trial in later
            if (trial.parent_trial, trial.parent_epoch) not in files
            and not any(name == trial.trial_id and epoch > trial.segment_start for name, epoch in files)
        }

    def _needed(self, trials: Iterable[Trial], best: Trial | None) -> set[tuple[str, int]]:
        needed = set(self._scheduler.needed())
        if best is not None:
            needed.add((best.trial_id, best.best_epoch))
        for trial in trials:
            if trial.live and trial.parent_trial is not None and trial.parent_epoch is not None:
                needed.add((trial.parent_trial, trial.parent_epoch))
        return needed

    def _beyond_limits(
        self, kept: _Files, needed: set[tuple[str, int]], trials: Mapping[str, Trial]
    ) -> set[tuple[str, int]]:
        """What goes so that the limits hold: of trials that ended, the worst first; of one trial, its newest first."""
        top, gigabytes = self._job.checkpoints.top, self._job.checkpoints.gigabytes
        if top is None and gigabytes is None:
            return set()
        worst_first = self._worst_first([trial for trial in trials.values() if not trial.live])
        epochs = _by_trial(kept)
        spare = [
            (trial.trial_id, epoch)
            for trial in worst_first
            for epoch in sorted(epochs.get(trial.trial_id, ()), key=lambda each: (each == trial.best_epoch, each))
            if (trial.trial_id, epoch) not in needed
        ]
        gone: set[tuple[str, int]] = set()
        if top is not None:
            lower = {trial.trial_id for trial in worst_first[: max(0, len(worst_first) - top)]}
            gone = {file for file in spare if file[0] in lower}
        if gigabytes is not None:
            total = sum(size for file, size in kept.items() if file not in gone)
            for file in (file for file in spare if file not in gone):
                if total <= gigabytes * 1e9:
                    break
                gone.add(file)
                total -= kept[file]
        return gone

    def _worst_first(self, ended: list[Trial]) -> list[Trial]:
        sign = 1 if self._job.objective.mode == "max" else -1

        def merit(trial: Trial) -> tuple[bool, float]:
            usable = trial.state != "failed" and trial.best is not None
            return usable, sign * trial.best if usable and trial.best is not None else 0.0

        return sorted(ended, key=merit)

    def _files(self) -> _Files:
        found: _Files = {}
        for path, size in self._store.sizes("checkpoints"):
            if (place := layout.checkpoint_of(path)) is not None:
                found[place] = size
        return found

    def _delete(self, files: Set[tuple[str, int]], trials: Mapping[str, Trial]) -> None:
        if files:
            self._check()
        for trial_id, epoch in sorted(files):
            self._store.delete(layout.checkpoint(trial_id, epoch))
            if trial_id in trials:
                trials[trial_id].checkpoints.discard(epoch)


def _by_trial(files: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for trial_id, epoch in files:
        found.setdefault(trial_id, set()).add(epoch)
    return found


def _best(trial: Trial) -> set[int]:
    """Its best epoch, where its weights may become the study's."""
    return set() if trial.state == "failed" else {trial.best_epoch}


def _newest(epochs: Set[int], trial: Trial) -> set[int]:
    """Where a trial goes on; as long as it may, also the one before."""
    count = 2 if trial.live else 1
    return set(sorted(epochs)[-count:])
