"""Which checkpoints are kept."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.engine.engine import Engine
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.errors import Superseded
from pipeline.execution.driver.prune import Pruner
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Checkpoints, Objective, TuneJob
from tests.recorded_curves import steps


class Needing:
    """A scheduler that only names the checkpoints it needs."""

    def __init__(self, needed: Sequence[tuple[str, int]] = ()) -> None:
        self.checkpoints = needed

    def needed_checkpoints(self) -> Sequence[tuple[str, int]]:
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
                store.write(f"checkpoints/{trial.trial_id}/{epoch:06d}.ckpt", b"x")
        trained = {"model": steps, "data": "digits", "scheduler": "pbt"} if population else {"function": steps}
        job = _job(**trained, checkpoints=Checkpoints(**limits))
        by_id = {trial.trial_id: trial for trial in trials}
        pruner = Pruner(store, job, Needing(needed), by_id, lambda: None)
        pruned(pruner, by_id, by_id)
        left: dict[str, list[int]] = {trial.trial_id: [] for trial in trials}
        for path in store.files("checkpoints"):
            left[path.split("/")[1]].append(int(path.split("/")[2][:6]))
        return left

    return prune


def engine_of(trials: Mapping[str, Trial]) -> Engine:
    engine = Engine(_job(), lambda _: None, lambda: 0.0)
    engine.trials.update(trials)
    return engine


def pruned(pruner: Pruner, trials: Mapping[str, Trial], *arguments: Any, **options: Any) -> set[str]:
    deleted = pruner.prune(*arguments, **options)
    engine_of(trials).written((), deleted=deleted)
    return {trial_id for trial_id, _ in deleted}


def trial(number: int, state: str, best: float, best_epoch: int) -> Trial:
    return Trial(f"{number:04d}", {}, state=state, epoch=5, best=BestEpoch(best, best_epoch))


def receiver(state: str = "paused") -> Trial:
    """A trial that has taken over the third epoch of the first one."""
    one = trial(1, state, 0.1, 5)
    one.parent_trial, one.parent_epoch, one.segment, one.segment_start = "0000", 3, 2, 5
    return one


def cut_off(epoch: int = 5) -> Trial:
    one = receiver("stopped")
    one.cut_off, one.epoch = True, epoch
    return one


def ahead() -> Trial:
    """A trial whose worker has written checkpoints after its last report."""
    one = trial(0, "running", 0.9, 1)
    one.epoch = 2
    return one


def three() -> list[Trial]:
    return [trial(number, "completed", value, 3) for number, value in enumerate((0.5, 0.9, 0.7))]


POPULATION = {"population": True}


@pytest.mark.parametrize(
    ("trials", "options", "left"),
    [
        ([trial(0, "running", 0.9, 2)], {}, [[2, 4, 5]]),
        ([trial(0, "completed", 0.9, 2), trial(1, "stopped", 0.5, 5)], {}, [[2, 5], [5]]),
        ([trial(0, "running", 0.9, 5)], {"needed": [("0000", 1)]}, [[1, 4, 5]]),
        ([ahead()], {}, [[1, 2, 3, 4, 5]]),
        ([trial(0, "stopped", 0.9, 5), receiver()], POPULATION, [[3, 5], [4, 5]]),
        ([trial(0, "stopped", 0.9, 5), receiver("stopped")], POPULATION, [[5], [5]]),
        ([trial(0, "stopped", 0.9, 5), cut_off()], POPULATION, [[3, 5], [5]]),
        ([trial(0, "stopped", 0.9, 5), cut_off()], {**POPULATION, "top": 1}, [[3, 5], []]),
        ([trial(0, "stopped", 0.9, 5), cut_off(epoch=6)], POPULATION, [[5], [5]]),
        ([*three(), trial(3, "running", 0.1, 5)], {"top": 2}, [[], [3, 5], [3, 5], [4, 5]]),
        ([trial(0, "failed", 0.99, 5), trial(1, "completed", 0.2, 5)], {"top": 1}, [[], [5]]),
    ],
    ids=[
        "live: newest two and best", "ended: newest and best", "scheduler's need", "not yet reported", "donor",
        "donor of an ended one", "donor of one cut off", "donor beyond the limit", "donor of one that has trained",
        "top", "failed first",
    ],
)  # fmt: skip
def test_what_may_be_needed_is_kept_within_the_limits(kept, trials, options, left):
    assert list(kept(trials, **options).values()) == left


def test_nothing_is_deleted_of_a_study_that_another_driver_has_taken_over(tmp_path):
    store = Store(tmp_path)
    for epoch in range(1, 6):
        store.write(f"checkpoints/0000/{epoch:06d}.ckpt", b"x")

    def check() -> None:
        raise Superseded("It is another driver's.")

    one = trial(0, "running", 0.9, 2)
    pruner = Pruner(store, _job(), Needing(), {"0000": one}, check)
    one.checkpoints = {epoch for _, epoch in pruner.list_storage()}
    with pytest.raises(Superseded):
        pruner.prune(["0000"])
    assert len(store.files("checkpoints")) == 5


def test_what_another_needs_for_some_time_is_deleted_then_unless_it_is_the_best_again(tmp_path):
    one, needing = trial(0, "running", 0.9, 4), Needing([("0000", 1), ("0000", 2)])
    one.checkpoints = {1, 2, 3, 4, 5}
    pruner = Pruner(Store(tmp_path), _job(), needing, {"0000": one}, lambda: None)
    assert pruner.prune(["0000"]) == {("0000", 3)}
    one.best, needing.checkpoints = BestEpoch(0.8, 2), [("0000", 1)]
    assert pruner.prune(["0000"]) == {("0000", 3)}
    needing.checkpoints = []
    assert pruner.prune([]) == {("0000", 1)}


def test_checkpoints_of_a_killed_drivers_trial_displace_none(tmp_path):
    store = Store(tmp_path)
    for epoch in (2, 3, 6, 40, 50):
        store.write(f"checkpoints/0000/{epoch:06d}.ckpt", b"x")
    drawn_again = trial(0, "running", 0.5, 6)
    drawn_again.epoch, drawn_again.checkpoints = 60, {2, 3, 6}
    trials = {"0000": drawn_again}
    pruner = Pruner(store, _job(), Needing(), trials, lambda: None)
    engine_of(trials).on_listing(pruner.list_storage())
    assert pruned(pruner, trials, ["0000"]) == {"0000"}
    assert drawn_again.checkpoints == {3, 6}
    assert [path[-6:-5] for path in store.files("checkpoints")] == ["3", "6", "0", "0"]
    pruner.prune(["0000"], listed=pruner.list_storage())
    assert store.files("checkpoints") == ["checkpoints/0000/000003.ckpt", "checkpoints/0000/000006.ckpt"]


def _job(**fields: Any) -> TuneJob:
    fields = fields or {"function": steps}
    return TuneJob(name="s", space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")], **fields)
