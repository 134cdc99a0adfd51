"""Hyperparameters of a study."""

from pathlib import Path

from pipeline.results import load_results
from pipeline.results.analysis.parameters import by_influence, config_places
from pipeline.space import Choice, Uniform
from tests.unit.results import studies


def test_choices_of_mixed_types_have_distinct_positions(tmp_path: Path) -> None:
    """Choices of mixed types keep distinct positions, although the column stores them as text."""
    recording = studies.Recording(tmp_path, studies.tune_job("mixed", space={"mix": Choice((2, True, "auto"))}))
    for index, value in enumerate(("auto", 2, True)):
        recording.decide(f"{index:04d}", 0, "start", index, config_after={"mix": value})
    recording.end(3)
    results = load_results(recording.store.uri)
    assert list(config_places(results, results.trials, "mix")) == [2.0, 0.0, 1.0]


def test_parameters_are_sorted_by_what_they_tell_of_the_objective(tmp_path: Path) -> None:
    """Parameters are sorted by their influence on the objective, and one with a single value is last."""
    space = {"same": Choice((1, 2)), "weak": Choice(("a", "b")), "strong": Uniform(0, 1)}
    recording = studies.Recording(tmp_path, studies.tune_job("sorted", space=space))
    for index in range(24):
        config = {"same": 1, "weak": "ab"[index % 2], "strong": index / 24}
        recording.decide(f"{index:04d}", 0, "start", index, config_after=config)
        recording.train(f"{index:04d}", 1, config, index + 8 * (index % 2), index + 0.5)
    recording.end(24)
    assert by_influence(load_results(recording.store.uri)) == ["strong", "weak", "same"]
