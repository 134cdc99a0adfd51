"""The short form of `make faults TRIALS=…`: the driver of a study of light trials is killed twice."""

import pytest

from tests.faults.many_trials import undisturbed_and_killed_driver


@pytest.mark.long
def test_a_study_of_many_trials_whose_driver_was_killed_twice_equals_an_undisturbed_one(tmp_path):
    """After two kills of its driver, the tables of a study of light trials are equal except attempts."""
    figures = undisturbed_and_killed_driver(tmp_path / "faults", trials=300, kills=2, seed=1)
    assert figures.whole, [*figures.differences, *figures.temporary, str(figures)]
    assert figures.rows["trials"] == 300
