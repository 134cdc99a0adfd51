"""The short form of `make faults`: one worker and one driver are killed."""

import pytest

from tests.faults.killed_study import undisturbed_and_killed
from tests.faults.many_trials import undisturbed_and_killed_driver

# A killed cluster needs up to a minute to end. Killed drivers and trials are in tests/integration (S3, Keras), killed
# pods in the core of tests/kubernetes.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def test_a_study_whose_worker_and_driver_were_killed_equals_an_undisturbed_one(tmp_path):
    """After kills, results are equal except attempts, and no checkpointed epoch is lost or file left over."""
    figures = undisturbed_and_killed(tmp_path / "faults", kills=2, seed=1, trials=6, epochs=8)
    assert figures.whole, [*figures.differences, *figures.orphans, *figures.temporary, str(figures)]
    assert (figures.workers, figures.drivers) == (1, 1)
    assert figures.rows["trials"] == 6


@pytest.mark.parametrize("scheduler", ["asha", "promoting-asha", "pbt"])
def test_a_scheduler_continues_where_it_was(tmp_path, scheduler):
    """Rungs, paused trials and populations survive a killed worker and driver, and each epoch is trained once."""
    figures = undisturbed_and_killed(tmp_path / "faults", kills=3, seed=1, trials=6, epochs=8, scheduler=scheduler)
    assert figures.whole, [*figures.differences, *figures.orphans, *figures.temporary, str(figures)]
    assert figures.workers + figures.drivers == 3


def test_a_study_of_many_trials_whose_driver_was_killed_twice_equals_an_undisturbed_one(tmp_path):
    """After two kills of its driver, the tables of a study of light trials are equal except attempts."""
    figures = undisturbed_and_killed_driver(tmp_path / "faults", trials=300, kills=2, seed=1)
    assert figures.whole, [*figures.differences, *figures.temporary, str(figures)]
    assert figures.rows["trials"] == 300
