"""The short form of `make faults`: one worker and one driver are killed."""

import pytest

from tests.faults.killing import undisturbed_and_killed


def test_a_study_whose_worker_and_driver_were_killed_equals_one_in_peace(tmp_path):
    """Equal to the last digit, attempts aside; no epoch lost that a checkpoint held, no orphan, no temporary file."""
    figures = undisturbed_and_killed(tmp_path / "faults", kills=2, seed=1, trials=6, epochs=8)
    assert figures.whole, [*figures.differences, *figures.orphans, *figures.temporary, str(figures)]
    assert (figures.workers, figures.drivers) == (1, 1)
    assert figures.rows["trials"] == 6


@pytest.mark.long
@pytest.mark.parametrize("scheduler", ["asha", "promoting-asha", "pbt"])
def test_a_scheduler_goes_on_where_it_was(tmp_path, scheduler):
    """Rungs, paused trials and the population outlive worker and driver: no epoch twice or missing, tables agree."""
    figures = undisturbed_and_killed(tmp_path / "faults", kills=3, seed=1, trials=6, epochs=8, scheduler=scheduler)
    assert figures.whole, [*figures.differences, *figures.orphans, *figures.temporary, str(figures)]
    assert figures.workers + figures.drivers == 3
