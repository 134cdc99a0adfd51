"""How long a worker may be silent."""

from dataclasses import replace

from pipeline.engine.messages import FINISH
from pipeline.execution.driver.hang_detection import HangDetection
from pipeline.study import Resources
from tests.unit.execution.recorded_curves import row


class Clock:
    """Seconds that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def watch(**resources: float) -> tuple[HangDetection, Clock]:
    """A watch and its clock."""
    clock = Clock()
    return HangDetection(Resources(**resources), clock), clock


def test_silence_counts_from_when_a_trial_got_its_worker():
    """A trial's silence is measured from the moment when it got its worker."""
    seen, clock = watch(epoch_seconds=10)
    clock.now = 100
    assert seen.hung(["0000"]) == []
    clock.now = 114
    assert seen.hung(["0000"]) == []
    clock.now = 116
    assert seen.hung(["0000"]) == ["0000"]


def test_a_report_ends_the_silence():
    """A report ends the silence of its own trial only."""
    seen, clock = watch(epoch_seconds=10)
    seen.hung(["0000", "0001"])
    clock.now = 10
    seen.on_report("0001", [row(1, 0.5)])
    clock.now = 20
    assert seen.hung(["0000", "0001"]) == ["0000"]
    assert seen.silence("0001") == 10


def test_without_a_limit_no_trial_hangs_before_an_epoch_is_known():
    """Without a limit, no trial counts as hanging until the duration of an epoch is known."""
    seen, clock = watch()
    seen.hung(["0000"])
    clock.now = 86_400
    assert seen.hung(["0000"]) == []


def test_without_a_limit_twenty_of_the_longest_epochs_are_waited_for():
    """Without a limit, a trial hangs after 20 times the longest epoch, and after ten minutes at least."""
    seen, _ = watch()
    seen.on_report("0000", [row(1, 0.5)])
    assert seen.limit == 600
    seen.on_report("0000", [replace(row(2, 0.5), seconds_train=100.0, seconds_evaluate=0.0, seconds_build=0.0)])
    assert seen.limit == 2000


def test_a_trial_without_a_worker_is_forgotten():
    """The silence of a trial without a worker is forgotten, and starts from zero when the trial resumes."""
    seen, clock = watch(epoch_seconds=10)
    seen.hung(["0000"])
    clock.now = 50
    seen.hung([])
    assert seen.hung(["0000"]) == []


def test_the_final_evaluation_has_the_default_limit():
    """The final evaluation may be silent for the default limit even if the limit of an epoch is shorter."""
    seen, clock = watch(epoch_seconds=10)
    seen.hung([FINISH, "0000"])
    clock.now = 100
    assert seen.hung([FINISH, "0000"]) == ["0000"]
    clock.now = 601
    assert seen.hung([FINISH]) == [FINISH]


def test_the_code_after_the_last_step_of_a_function_is_no_epoch():
    """While the code of a function after its last step runs, its worker may be silent for an hour at least."""
    seen, clock = watch(epoch_seconds=10)
    seen.hung(["0000", "0001"])
    seen.on_report("0000", finishing=True)
    clock.now = 3600
    assert seen.hung(["0000", "0001"]) == ["0001"]
    clock.now = 3601
    assert seen.hung(["0000"]) == ["0000"]
    seen.on_report("0000", [row(1, 0.5)])
    clock.now += 20
    assert seen.hung(["0000"]) == ["0000"]


def test_many_workers_may_be_silent_for_longer():
    """The limit for silence is longer with a thousand workers, which report less often."""
    few = HangDetection(Resources(epoch_seconds=1))
    many = HangDetection(Resources(epoch_seconds=1), workers=lambda: 1000)
    assert (few.limit, many.limit) == (6.0, 26.0)
