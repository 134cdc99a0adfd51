"""How long a worker may be silent."""

from dataclasses import replace

from pipeline.course.messages import FINISH
from pipeline.execution.watch import Watch
from pipeline.study import Resources
from tests.unit.execution.played import row


class Clock:
    """Seconds that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def watch(**resources: float) -> tuple[Watch, Clock]:
    """A watch and its clock."""
    clock = Clock()
    return Watch(Resources(**resources), clock), clock


def test_silence_counts_from_when_a_trial_got_its_worker():
    """Not from when the study began."""
    seen, clock = watch(epoch_seconds=10)
    clock.now = 100
    assert seen.silent(["0000"]) == []
    clock.now = 114
    assert seen.silent(["0000"]) == []
    clock.now = 116
    assert seen.silent(["0000"]) == ["0000"]


def test_a_report_ends_the_silence():
    """Each trial has a silence of its own."""
    seen, clock = watch(epoch_seconds=10)
    seen.silent(["0000", "0001"])
    clock.now = 10
    seen.hear("0001", [row(1, 0.5)])
    clock.now = 20
    assert seen.silent(["0000", "0001"]) == ["0000"]
    assert seen.silence("0001") == 10


def test_without_a_limit_nobody_hangs_before_an_epoch_is_known():
    """The first epoch may take a day."""
    seen, clock = watch()
    seen.silent(["0000"])
    clock.now = 86_400
    assert seen.silent(["0000"]) == []


def test_without_a_limit_twenty_of_the_longest_epochs_are_waited_for():
    """But ten minutes at least."""
    seen, _ = watch()
    seen.hear("0000", [row(1, 0.5)])
    assert seen.limit == 600
    seen.hear("0000", [replace(row(2, 0.5), seconds_train=100.0, seconds_evaluate=0.0, seconds_build=0.0)])
    assert seen.limit == 2000


def test_who_has_no_worker_is_forgotten():
    """A paused trial that comes back begins anew."""
    seen, clock = watch(epoch_seconds=10)
    seen.silent(["0000"])
    clock.now = 50
    seen.silent([])
    assert seen.silent(["0000"]) == []


def test_the_winners_turn_has_the_limit_of_none_that_is_given():
    """Exporting and testing it is no epoch."""
    seen, clock = watch(epoch_seconds=10)
    seen.silent([FINISH, "0000"])
    clock.now = 100
    assert seen.silent([FINISH, "0000"]) == ["0000"]
    clock.now = 601
    assert seen.silent([FINISH]) == [FINISH]
