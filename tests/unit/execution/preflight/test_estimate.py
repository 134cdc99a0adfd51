"""How long a study may take."""

import pytest

from pipeline import Budget
from pipeline.execution.preflight.estimate import study_estimate, time_finding
from tests.unit.execution.preflight.facts import job, trained


def reported(budget: Budget, scheduler: str = "fifo", workers: int = 2) -> tuple[str, str]:
    """Level and text for a study of epochs of 10 s, models of 2 s, workers that start in 5 s."""
    tuned = job(budget=budget, scheduler=scheduler)
    found = time_finding(tuned, study_estimate(tuned, trained(), start=5.0, workers=workers))
    return found.level, found.found


def test_seconds_are_those_of_all_epochs_over_the_workers() -> None:
    """The estimate divides the seconds of all builds and epochs by the number of workers and adds the start."""
    estimate = study_estimate(job(), trained(), start=5.0, workers=2)
    assert (estimate.seconds, estimate.epochs) == (333.0, 64)
    assert estimate.bytes_kept == (2 * 8 + 2) * 1000


def test_there_are_no_more_workers_than_trials() -> None:
    """An estimate uses no more workers than trials: two trials on eight workers take as long as one trial."""
    assert study_estimate(job(budget=Budget(trials=2, epochs=8)), trained(), start=0.0, workers=8).seconds == 82.0


def test_a_limit_on_all_epochs_counts() -> None:
    """An estimate counts no more epochs than the budget's limit for the whole study."""
    assert study_estimate(job(budget=Budget(total_epochs=10)), trained(), start=0.0, workers=1).epochs == 10
    assert "10 epochs in total" in reported(Budget(total_epochs=10))[1]


@pytest.mark.parametrize(("scheduler", "early"), [("asha", True), ("fifo", False), ("pbt", False)])
def test_a_scheduler_that_stops_early_is_mentioned(scheduler, early) -> None:
    """The estimate mentions early stopping only for ASHA, which stops poor trials."""
    assert ("usually takes a fraction" in reported(Budget(trials=8, epochs=8), scheduler)[1]) is early


@pytest.mark.parametrize(("seconds", "level"), [(3, "error"), (60, "warning"), (1000, "ok")])
def test_a_budget_of_seconds_must_suffice(seconds, level) -> None:
    """A budget of seconds that ends before a worker has started is a fault, and before the last epoch a warning."""
    assert reported(Budget(trials=8, epochs=8, seconds=seconds))[0] == level


def test_the_estimate_reports_what_a_budget_of_seconds_is_enough_for() -> None:
    """The estimate says how many epochs a budget of seconds is enough for, after start and model building."""
    assert reported(Budget(trials=8, epochs=8, seconds=60))[1].endswith("enough for about 10 epochs")


def test_one_trial_and_one_epoch_are_in_the_singular() -> None:
    """The estimate of a study of one trial with one epoch has nouns in the singular."""
    assert "for 1 trial × 1 epoch on one worker" in reported(Budget(trials=1, epochs=1))[1]
    assert "for 1 epoch in total" in reported(Budget(trials=2, epochs=2, total_epochs=1))[1]
