"""The short form of `make faults`: one worker and one driver are killed."""

import pytest

from tests.faults.killed_study import undisturbed_and_killed


# Killed drivers and trials are in tests/integration (S3, Keras), killed pods in the core of tests/kubernetes.
@pytest.mark.long
def test_a_study_whose_worker_and_driver_were_killed_equals_an_undisturbed_one(tmp_path):
    """After kills, results are equal except attempts, and no checkpointed epoch is lost or file left over."""
    figures = undisturbed_and_killed(tmp_path / "faults", kills=2, seed=1, trials=6, epochs=8)
    assert figures.whole, [*figures.differences, *figures.orphans, *figures.temporary, str(figures)]
    assert (figures.workers, figures.drivers) == (1, 1)
    assert figures.rows["trials"] == 6


@pytest.mark.long
@pytest.mark.parametrize("scheduler", ["asha", "promoting-asha", "pbt"])
def test_a_scheduler_continues_where_it_was(tmp_path, scheduler):
    """Rungs, paused trials and populations survive a killed worker and driver, and each epoch is trained once."""
    figures = undisturbed_and_killed(tmp_path / "faults", kills=3, seed=1, trials=6, epochs=8, scheduler=scheduler)
    assert figures.whole, [*figures.differences, *figures.orphans, *figures.temporary, str(figures)]
    assert figures.workers + figures.drivers == 3
