"""The sentence that some of many hyperparameters are shown."""

from pipeline.results import Results
from pipeline.results.views.shown_parameters import of_shown


def test_hyperparameters_that_are_not_shown_are_counted(wide: Results, population: Results) -> None:
    """A sentence says how many hyperparameters are shown, and which: with few trials, the first ones."""
    said = "Of 60 hyperparameters, the 16 with the most influence on a trial's rank, each by itself, are shown."
    assert of_shown(wide, 16, 60) == said
    assert of_shown(population, 16, 60) == "Of 60 hyperparameters, the first 16 are shown."
    assert of_shown(wide, 60, 60) == ""
