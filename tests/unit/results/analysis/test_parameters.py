"""Hyperparameters of a study."""

from pathlib import Path
from typing import Literal

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.parameters import (
    OBJECTIVE,
    TRIAL,
    best_quarter,
    by_influence,
    config_positions,
    influence_is_known,
    scored,
    scored_with,
    shown_parameters,
    tuned,
    within_bounds,
)
from pipeline.space import Choice, Switch, Uniform
from pipeline.study import Objective
from tests.unit.results import front_studies, studies
from tests.unit.results.small_studies import one_epoch_study


def test_choices_of_mixed_types_have_distinct_positions(tmp_path: Path) -> None:
    """Choices of mixed types keep distinct positions, although the column stores them as text."""
    recording = studies.Recording(tmp_path, studies.tune_job("mixed", space={"mix": Choice((2, True, "auto"))}))
    for index, value in enumerate(("auto", 2, True)):
        recording.decide(f"{index:04d}", 0, "start", index, config_after={"mix": value})
    recording.end(3)
    results = load_results(recording.store.uri)
    assert list(config_positions(results, results.trials, "mix")) == [2.0, 0.0, 1.0]


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


@pytest.mark.parametrize("name", ["objective", "state", "trial_id", "violation"])
def test_a_parameter_may_be_called_as_a_column_of_trials(tmp_path: Path, name: str) -> None:
    """A parameter called objective, for instance, does not replace the objective's values."""
    recording = studies.Recording(tmp_path, studies.tune_job("named", space={name: Choice(("mse", "mae"))}))
    for index, value in enumerate(("mse", "mae")):
        recording.decide(f"{index:04d}", 0, "start", index, config_after={name: value})
        recording.train(f"{index:04d}", 1, {name: value}, 0.5 + index, index + 0.5)
    recording.end(2)
    rows = scored(load_results(recording.store.uri))
    assert rows[OBJECTIVE].tolist() == [0.5, 1.5]
    assert rows[name].tolist() == ["mse", "mae"]


def test_trials_beyond_a_bound_are_not_within(tmp_path: Path) -> None:
    """Of scored trials, those beyond a bound of an objective are left out where only trials within count."""
    recording = front_studies.recorded(tmp_path, Objective("parameters", "min", at_most=1000))
    results = load_results(recording.store.uri)
    assert len(scored(results)) == 5
    assert within_bounds(results)[OBJECTIVE].tolist() == [0.9, 0.8, 0.7, 0.5]


def test_only_trials_with_a_parameter_are_scored_with_it(tmp_path: Path) -> None:
    """Of scored trials, those with a value of a parameter are given, with its column and no other parameter's."""
    space = {"kind": Switch({"a": {"depth": Uniform(0, 1)}, "b": {}})}
    recording = studies.Recording(tmp_path, studies.tune_job("some", space=space))
    for index, config in enumerate(({"kind": "a", "depth": 0.25}, {"kind": "b"})):
        recording.decide(f"{index:04d}", 0, "start", index, config_after=config)
        recording.train(f"{index:04d}", 1, config, 0.5 + index, index + 0.5)
    recording.end(2)
    rows = scored_with(load_results(recording.store.uri), "depth")
    assert rows["depth"].tolist() == [0.25]
    assert rows[OBJECTIVE].tolist() == [0.5]
    assert "kind" not in rows


def test_the_most_influential_of_many_parameters_are_shown(wide: Results) -> None:
    """If there are more parameters than are wanted, the most influential ones come first; else all, in their order."""
    assert shown_parameters(wide, 5)[0] == "p41"
    assert len(shown_parameters(wide, 5)) == 5
    assert shown_parameters(wide, 60) == tuned(wide)


def test_a_few_trials_do_not_tell(asha_results: Results, population: Results) -> None:
    """Parameters are compared only if there are enough trials with a value."""
    assert (influence_is_known(asha_results), influence_is_known(population)) == (True, False)


def test_failed_trials_are_not_scored(asha_results: Results) -> None:
    """A trial that failed after it had reached a value is not among those whose values are analysed."""
    trials = asha_results.trials
    failed = set(trials.loc[(trials["state"] == "failed") & trials["objective"].notna(), "trial_id"])
    assert failed
    assert failed.isdisjoint(scored(asha_results)[TRIAL])


@pytest.mark.parametrize(("mode", "best"), [("max", [7, 6]), ("min", [0, 1])])
def test_the_best_quarter_is_sorted_by_rank(mode: Literal["max", "min"], best: list[int], tmp_path: Path) -> None:
    """The best quarter has the best trial first, in the direction of the objective, and at least one trial."""
    results = one_epoch_study(tmp_path, "some", [0.1 * number for number in range(8)], mode=mode)
    rows = scored(results)
    assert best_quarter(results, rows)[TRIAL].tolist() == [f"{number:04d}" for number in best]
    assert len(best_quarter(results, rows.iloc[:3])) == 1
