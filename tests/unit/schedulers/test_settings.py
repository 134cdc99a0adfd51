"""What a scheduler's settings do unless they say otherwise."""

import pytest

from pipeline.schedulers.settings import SchedulerSettings, beyond_maximum


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
