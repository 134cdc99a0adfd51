"""What a scheduler does unless it says otherwise."""

import pytest

from pipeline.schedulers.base import Chosen, Scheduler, SchedulerSettings, beyond_maximum


def test_the_earliest_trial_is_chosen() -> None:
    """The earliest waiting trial is chosen, and without waiting trials none is."""
    assert Scheduler().choose(["0002", "0001", "10000"]) == Chosen("0001", "the earliest of those that wait")
    assert Scheduler().choose([]) is None


def test_trials_are_stopped_only_when_nothing_else_happens() -> None:
    """Waiting trials are stopped with a reason only when none runs and none can be drawn."""
    waiting = ["0001", "0002"]
    assert Scheduler().to_stop(waiting, exhausted=False) == {}
    stopped = Scheduler().to_stop(waiting, exhausted=True)
    assert list(stopped) == waiting
    assert {(each.action, each.reason) for each in stopped.values()} == {
        ("stop", "it was not chosen, and no other trial runs")
    }


@pytest.mark.parametrize(("pauses", "exploits"), [(False, False), (True, False), (False, True)])
def test_milestones_need_a_checkpoint_where_trials_pause_or_exploit(pauses: bool, exploits: bool) -> None:
    """A milestone needs a checkpoint only if the scheduler pauses or exploits trials."""

    class Settings(SchedulerSettings):
        pass

    Settings.pauses, Settings.exploits = pauses, exploits
    assert Settings().leaves_checkpoint(2, 8) == (pauses or exploits)


def test_epochs_beyond_a_trial_s_maximum_are_a_fault() -> None:
    """A number of epochs that no trial reaches is a fault that names the field, the value and what is allowed."""
    assert beyond_maximum("interval", 8, 8) == []
    (fault,) = beyond_maximum("interval", 9, 8)
    assert (fault.field, fault.found, fault.allowed) == (
        "scheduler.interval",
        9,
        "must be at most budget.epochs, which is 8",
    )
