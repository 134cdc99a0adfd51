"""Which checkpoints are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.engine.engine import Engine
from pipeline.engine.messages import Report
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.errors import Superseded
from pipeline.execution.driver.prune import Pruner
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Checkpoints, Objective, TuneJob
from tests.unit.execution.recorded_curves import row, steps

SIZE = 1000
"""Bytes of each checkpoint."""


class Needing:
    """A scheduler that only names the checkpoints it needs."""

    def __init__(self, needed: Sequence[tuple[str, int]] = ()) -> None:
        self.checkpoints = needed

    def needed_checkpoints(self) -> Sequence[tuple[str, int]]:
        """The checkpoints that another trial may still take over."""
        return self.checkpoints


@pytest.fixture
def kept(tmp_path):
    """Prunes a study with checkpoints at the first five epochs of each trial; returns which are left."""

    def prune(
        trials: Sequence[Trial], *, needed: Sequence[tuple[str, int]] = (), population: bool = False, **limits: Any
    ) -> Mapping[str, list[int]]:
        store = Store(tmp_path)
        for trial in trials:
            trial.checkpoints = set(range(1, 6))
            for epoch in range(1, 6):
                store.write(f"checkpoints/{trial.trial_id}/{epoch:06d}.ckpt", b"x" * SIZE)
        trained = {"model": steps, "data": "digits", "scheduler": "pbt"} if population else {"function": steps}
        job = _job(**trained, checkpoints=Checkpoints(**limits))
        best = max(trials, key=lambda trial: (trial.state != "failed", trial.best.value))
        by_id = {trial.trial_id: trial for trial in trials}
        pruner = Pruner(store, job, Needing(needed), by_id, lambda: None)
        pruner.list_storage()
        pruned(pruner, by_id, by_id, best)
        left: dict[str, list[int]] = {trial.trial_id: [] for trial in trials}
        for path in store.files("checkpoints"):
            left[path.split("/")[1]].append(int(path.split("/")[2][:6]))
        return left

    return prune


def engine_of(trials: Mapping[str, Trial]) -> Engine:
    """An engine with these trials."""
    engine = Engine(_job(), lambda _: None, lambda: 0.0)
    engine.trials.update(trials)
    return engine


def pruned(pruner: Pruner, trials: Mapping[str, Trial], *arguments: Any, **options: Any) -> set[str]:
    """The trials of which checkpoints are pruned."""
    deleted = pruner.prune(*arguments, **options)
    engine_of(trials).written((), deleted=deleted)
    return {trial_id for trial_id, _ in deleted}


def trial(number: int, state: str, best: float, best_epoch: int) -> Trial:
    """A trial that has trained five epochs."""
    return Trial(f"{number:04d}", {}, state=state, epoch=5, best=BestEpoch(best, best_epoch))


def test_of_a_live_trial_the_newest_two_and_the_best_stay(kept):
    """Of a live trial the two newest checkpoints and the best one are kept."""
    assert kept([trial(0, "running", 0.9, 2)]) == {"0000": [2, 4, 5]}


def test_of_an_ended_trial_the_newest_and_the_best_are_kept(kept):
    """Of an ended trial the newest and the best checkpoint are kept, because it may continue or become the best."""
    assert kept([trial(0, "completed", 0.9, 2), trial(1, "stopped", 0.5, 5)]) == {"0000": [2, 5], "0001": [5]}


def test_checkpoints_of_possible_donors_are_kept(kept):
    """A checkpoint that the scheduler may still hand over to another trial is kept, however old it is."""
    assert kept([trial(0, "running", 0.9, 5)], needed=[("0000", 1)]) == {"0000": [1, 4, 5]}


def test_checkpoints_that_a_live_trial_starts_from_are_kept(kept):
    """The checkpoint of a donor is kept until the trial that copied it has trained."""
    receiver = trial(1, "paused", 0.1, 5)
    receiver.parent_trial, receiver.parent_epoch = "0000", 3
    assert kept([trial(0, "completed", 0.9, 5), receiver], population=True)["0000"] == [3, 5]


def test_checkpoints_that_a_trial_starts_from_after_a_cut_off_are_kept_within_the_limits(kept):
    """A donor's checkpoint is kept for a trial that was cut off before its segment began, unless a limit forbids it."""
    receiver = trial(1, "stopped", 0.1, 5)
    receiver.parent_trial, receiver.parent_epoch, receiver.segment, receiver.segment_start = "0000", 3, 2, 5
    donor = trial(0, "stopped", 0.9, 5)
    assert kept([donor, receiver], population=True)["0000"] == [5]
    receiver.cut_off = True
    assert kept([donor, receiver], population=True)["0000"] == [3, 5]
    assert kept([donor, receiver], population=True, gigabytes=1e-9)["0000"] == [5]
    receiver.epoch = 6
    assert kept([donor, receiver], population=True)["0000"] == [5]


def test_checkpoints_beyond_the_last_report_are_kept(kept):
    """Checkpoints newer than the last report are kept, because a lost worker may have written them unreported."""
    ahead = trial(0, "running", 0.9, 1)
    ahead.epoch = 2
    assert kept([ahead]) == {"0000": [1, 2, 3, 4, 5]}


def test_top_keeps_those_of_the_best_trials_that_ended(kept):
    """With a limit of two the third-best ended trial loses its checkpoints, and a running one keeps them."""
    trials = [trial(i, "completed", value, 5) for i, value in enumerate([0.5, 0.9, 0.7])]
    left = kept([*trials, trial(3, "running", 0.1, 5)], top=2)
    assert left == {"0000": [], "0001": [5], "0002": [5], "0003": [4, 5]}


def test_gigabytes_take_the_worst_first_and_never_what_is_needed(kept):
    """A limit in gigabytes deletes checkpoints of the worst trials first, and each trial's best one last."""
    trials = [trial(i, "completed", value, 3) for i, value in enumerate([0.5, 0.9, 0.7])]
    assert kept(trials, gigabytes=3.5 * SIZE / 1e9) == {"0000": [], "0001": [3, 5], "0002": [3]}


def test_a_limit_that_cannot_hold_keeps_what_is_needed(kept):
    """With a limit of zero, the study's best checkpoint and those that running trials continue from are kept."""
    left = kept([trial(0, "completed", 0.9, 3), trial(1, "running", 0.5, 5)], gigabytes=1e-9)
    assert left == {"0000": [3], "0001": [4, 5]}


def test_a_failed_trial_goes_first(kept):
    """Checkpoints of a failed trial are deleted first, even if the trial had the best value."""
    left = kept([trial(0, "failed", 0.99, 5), trial(1, "completed", 0.2, 5)], top=1)
    assert left == {"0000": [], "0001": [5]}


def test_nothing_is_deleted_of_a_study_that_another_driver_has_taken_over(tmp_path):
    """A driver deletes no checkpoint after another driver has taken over its study."""
    store = Store(tmp_path)
    for epoch in range(1, 6):
        store.write(f"checkpoints/0000/{epoch:06d}.ckpt", b"x")

    def check() -> None:
        raise Superseded("It is another driver's.")

    one = trial(0, "running", 0.9, 2)
    pruner = Pruner(store, _job(), Needing(), {"0000": one}, check)
    one.checkpoints = {epoch for _, epoch in pruner.list_storage()}
    with pytest.raises(Superseded):
        pruner.prune(["0000"], one)
    assert len(store.files("checkpoints")) == 5


def test_the_storage_is_listed_once(tmp_path, monkeypatch):
    """Checkpoints are listed in the storage once, and then known from reports."""
    store, one = Store(tmp_path), trial(0, "running", 0.9, 2)
    trials = {"0000": one, "0001": trial(1, "completed", 0.5, 2)}
    pruner = Pruner(store, _job(), Needing(), trials, lambda: None)
    pruner.list_storage()
    monkeypatch.setattr(Store, "sizes", None)
    for epoch in range(1, 6):
        store.write(f"checkpoints/0000/{epoch:06d}.ckpt", b"x")
        one.checkpoints.add(epoch)
    assert pruned(pruner, trials, ["0000"], one) == {"0000"}
    assert one.checkpoints == {2, 4, 5}
    assert sorted(path.stem for path in (tmp_path / "checkpoints/0000").iterdir()) == ["000002", "000004", "000005"]
    assert pruned(pruner, trials, ["0000"], one) == set()


def test_checkpoints_that_are_no_longer_needed_are_deleted(tmp_path):
    """A donor's checkpoint is deleted once no trial may take it over, even if the donor reports nothing more."""
    store, one, scheduler = Store(tmp_path), trial(0, "completed", 0.9, 5), Needing([("0000", 1)])
    for epoch in (1, 5):
        store.write(f"checkpoints/0000/{epoch:06d}.ckpt", b"x")
    pruner = Pruner(store, _job(), scheduler, {"0000": one}, lambda: None)
    one.checkpoints = {epoch for _, epoch in pruner.list_storage()}
    pruned(pruner, {"0000": one}, ["0000"], one)
    assert one.checkpoints == {1, 5}
    scheduler.checkpoints = ()
    pruned(pruner, {"0000": one}, [], one)
    assert one.checkpoints == {5}


def test_the_limit_in_gigabytes_counts_the_size_of_each_file(tmp_path):
    """After a retry that finds three checkpoints and writes another, a limit in gigabytes counts each one's size."""
    store, trials = Store(tmp_path), {f"{i:04d}": trial(i, "completed", 0.1 * i, 5) for i in range(2)}
    pruner = Pruner(
        store, _job(function=steps, checkpoints=Checkpoints(gigabytes=2.5e-6)), Needing(), trials, lambda: None
    )
    for one in trials.values():
        for epoch in (2, 3, 5):
            store.write(f"checkpoints/{one.trial_id}/{epoch:06d}.ckpt", b"x" * SIZE)
        one.best, one.checkpoints = BestEpoch(one.best.value, 3), {2, 3, 5}
        report = Report(
            (row(5, 0.5),),
            last=True,
            checkpoints=[(one.trial_id, 2, SIZE), (one.trial_id, 3, SIZE), (one.trial_id, 5, SIZE)],
        )
        pruner.on_report(report)
    pruned(pruner, trials, trials, trials["0001"])
    assert sum(size for _, size in store.sizes("checkpoints")) == 2 * SIZE
    assert trials["0001"].checkpoints == {3, 5}


def test_checkpoints_of_a_killed_drivers_trial_displace_none(tmp_path):
    """Files that another trial of the same number has left displace none of the trial's own, and go at the end."""
    store = Store(tmp_path)
    for epoch in (2, 3, 6, 40, 50):
        store.write(f"checkpoints/0000/{epoch:06d}.ckpt", b"x")
    drawn_again = trial(0, "running", 0.5, 6)
    drawn_again.epoch, drawn_again.checkpoints = 60, {2, 3, 6}
    trials = {"0000": drawn_again}
    pruner = Pruner(store, _job(), Needing(), trials, lambda: None)
    engine_of(trials).on_listing(pruner.list_storage())
    assert pruned(pruner, trials, ["0000"], drawn_again) == {"0000"}
    assert drawn_again.checkpoints == {3, 6}
    assert [path[-6:-5] for path in store.files("checkpoints")] == ["3", "6", "0", "0"]
    pruner.list_storage()
    pruner.prune(["0000"], drawn_again, unknown=True)
    assert store.files("checkpoints") == ["checkpoints/0000/000003.ckpt", "checkpoints/0000/000006.ckpt"]


def test_unreported_checkpoints_of_the_best_and_the_last_epoch_are_a_trials_own(tmp_path):
    """The checkpoints of its best and last epoch that a cut-off trial left without a report stay, and others go."""
    store, best = Store(tmp_path), trial(1, "completed", 0.9, 5)
    cut_off = trial(0, "stopped", 0.5, 9)
    cut_off.epoch, cut_off.checkpoints, cut_off.cut_off = 10, {8}, True
    for epoch in (7, 8, 9, 10, 11):
        store.write(f"checkpoints/0000/{epoch:06d}.ckpt", b"x")
    trials = {"0000": cut_off, "0001": best}
    pruner = Pruner(store, _job(), Needing(), trials, lambda: None)
    assert engine_of(trials).on_listing(pruner.list_storage()) == {"0000"}
    assert cut_off.checkpoints == {8, 9, 10}
    pruned(pruner, trials, ["0000", "0001"], best, unknown=True)
    assert cut_off.checkpoints == {9, 10}
    assert store.files("checkpoints") == ["checkpoints/0000/000009.ckpt", "checkpoints/0000/000010.ckpt"]
    assert engine_of(trials).on_listing(pruner.list_storage()) == set()


def test_large_checkpoints_do_not_accumulate(tmp_path):
    """After a gigabyte of new checkpoints, a deletion is overdue until checkpoints are pruned."""
    one = trial(0, "running", 0.9, 5)
    pruner = Pruner(Store(tmp_path), _job(), Needing(), {"0000": one}, lambda: None)
    pruner.on_report(Report((row(5, 0.9),), checkpoints=[("0000", 5, 600000000)]))
    assert not pruner.overdue
    pruner.on_report(Report((row(6, 0.9),), checkpoints=[("0000", 6, 600000000)]))
    assert pruner.overdue
    pruner.prune(["0000"], one)
    assert not pruner.overdue


def _job(**fields: Any) -> TuneJob:
    fields = fields or {"function": steps}
    return TuneJob(name="s", space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")], **fields)
