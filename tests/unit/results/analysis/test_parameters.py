"""Hyperparameters of a study."""

from pathlib import Path

from pipeline.results import load_results
from pipeline.results.analysis.parameters import config_places
from pipeline.space import Choice
from tests.unit.results import studies


def test_choices_of_mixed_types_have_distinct_positions(tmp_path: Path) -> None:
    """Choices of mixed types keep distinct positions, although the column stores them as text."""
    recording = studies.Recording(tmp_path, studies.tune_job("mixed", space={"mix": Choice((2, True, "auto"))}))
    for index, value in enumerate(("auto", 2, True)):
        recording.decide(f"{index:04d}", 0, "start", index, config_after={"mix": value})
    recording.end(3)
    results = load_results(recording.store.uri)
    assert list(config_places(results, results.trials, "mix")) == [2.0, 0.0, 1.0]
