"""Which checkpoints stay."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.course.trial import Trial
from pipeline.errors import Superseded
from pipeline.execution.retention import Retention
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Checkpoints, Objective, TuneJob
from tests.unit.execution.played import steps

SIZE = 1000
"""Bytes of each checkpoint."""


class Needing:
    """A scheduler of which only this is asked."""

    def __init__(self, needed: Sequence[tuple[str, int]] = ()) -> None:
        self._needed = needed

    def needed(self) -> Sequence[tuple[str, int]]:
        """What it may hand over."""
        return self._needed


@pytest.fixture
def kept(tmp_path):
    """Sweeps a study with checkpoints at the first five epochs of each trial; tells which are left."""

    def sweep(
        trials: Sequence[Trial], *, needed: Sequence[tuple[str, int]] = (), **limits: Any
    ) -> Mapping[str, list[int]]:
        store = Store(tmp_path)
        for trial in trials:
            for epoch in range(1, 6):
                store.write(f"checkpoints/{trial.trial_id}/{epoch:06d}.ckpt", b"x" * SIZE)
        job = TuneJob(
            name="s",
            function=steps,
            space={"x": Uniform(0, 1)},
            objectives=[Objective("score", "max")],
            checkpoints=Checkpoints(**limits),
        )
        best = max(trials, key=lambda trial: (trial.state != "failed", trial.best))
        Retention(store, job, Needing(needed), lambda: None).sweep({trial.trial_id: trial for trial in trials}, best)
        left: dict[str, list[int]] = {trial.trial_id: [] for trial in trials}
        for path in store.files("checkpoints"):
            left[path.split("/")[1]].append(int(path.split("/")[2][:6]))
        return left

    return sweep


def trial(number: int, state: str, best: float, best_epoch: int) -> Trial:
    """A trial that has trained five epochs."""
    return Trial(f"{number:04d}", {}, 0, state=state, epoch=5, best=best, best_epoch=best_epoch, started=True)


def test_of_a_live_trial_the_newest_two_and_the_best_stay(kept):
    """The one before the newest is for the case that the newest is damaged."""
    assert kept([trial(0, "running", 0.9, 2)]) == {"0000": [2, 4, 5]}


def test_of_a_trial_that_ended_the_newest_and_the_best_stay(kept):
    """It may be given more epochs, and may become the study's best when a better one fails."""
    assert kept([trial(0, "completed", 0.9, 2), trial(1, "stopped", 0.5, 5)]) == {"0000": [2, 5], "0001": [5]}


def test_what_the_scheduler_may_hand_over_stays(kept):
    """A donor's checkpoint, however old."""
    assert kept([trial(0, "running", 0.9, 5)], needed=[("0000", 1)]) == {"0000": [1, 4, 5]}


def test_what_a_live_trial_begins_with_stays(kept):
    """A member of a population that exploited another one, and has not trained since."""
    receiver = trial(1, "paused", 0.1, 5)
    receiver.parent_trial, receiver.parent_epoch = "0000", 3
    assert kept([trial(0, "completed", 0.9, 5), receiver])["0000"] == [3, 5]


def test_beyond_the_last_report_nothing_is_touched(kept):
    """A worker that was taken from its trial may have left more than it told."""
    ahead = trial(0, "running", 0.9, 1)
    ahead.epoch = 2
    assert kept([ahead]) == {"0000": [1, 3, 4, 5]}


def test_top_keeps_those_of_the_best_trials_that_ended(kept):
    """A limit of two: the third best loses its checkpoints, a running one does not, however bad."""
    trials = [trial(i, "completed", value, 5) for i, value in enumerate([0.5, 0.9, 0.7])]
    left = kept([*trials, trial(3, "running", 0.1, 5)], top=2)
    assert left == {"0000": [], "0001": [5], "0002": [5], "0003": [4, 5]}


def test_gigabytes_take_the_worst_first_and_never_what_is_needed(kept):
    """Room for three: the worst loses both, the next its newest before its best; the study's best stays."""
    trials = [trial(i, "completed", value, 3) for i, value in enumerate([0.5, 0.9, 0.7])]
    assert kept(trials, gigabytes=3.5 * SIZE / 1e9) == {"0000": [], "0001": [3, 5], "0002": [3]}


def test_a_limit_that_cannot_hold_keeps_what_is_needed(kept):
    """No room at all: the study's best and what running trials go on from are there."""
    left = kept([trial(0, "completed", 0.9, 3), trial(1, "running", 0.5, 5)], gigabytes=1e-9)
    assert left == {"0000": [3], "0001": [4, 5]}


def test_a_failed_trial_goes_first(kept):
    """However good it had been."""
    left = kept([trial(0, "failed", 0.99, 5), trial(1, "completed", 0.2, 5)], top=1)
    assert left == {"0000": [], "0001": [5]}


def test_nothing_is_deleted_of_a_study_that_another_driver_has_taken_over(tmp_path):
    """The checkpoints are the other one's workers' now."""
    store = Store(tmp_path)
    for epoch in range(1, 6):
        store.write(f"checkpoints/0000/{epoch:06d}.ckpt", b"x")

    def check() -> None:
        raise Superseded("It is another driver's.")

    job = TuneJob(name="s", function=steps, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")])
    one = trial(0, "running", 0.9, 2)
    one.checkpoints = set(range(1, 6))
    retention = Retention(store, job, Needing(), check)
    for delete in (
        lambda: retention.sweep({"0000": one}, one),
        lambda: retention.after_report(one, {"0000": one}, one),
    ):
        with pytest.raises(Superseded):
            delete()
    assert len(store.files("checkpoints")) == 5
