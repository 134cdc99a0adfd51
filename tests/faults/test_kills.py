"""The short form of `make faults`: one worker and one driver are killed."""

from tests.faults.killing import undisturbed_and_killed


def test_a_study_whose_worker_and_driver_were_killed_equals_one_in_peace(tmp_path):
    """Equal to the last digit, attempts aside; no epoch lost that a checkpoint held, no orphan, no temporary file."""
    figures = undisturbed_and_killed(tmp_path / "faults", kills=2, seed=1, trials=6, epochs=8)
    assert figures.whole, [*figures.differences, *figures.orphans, *figures.temporary, str(figures)]
    assert (figures.workers, figures.drivers) == (1, 1)
    assert figures.rows[1] == 6
