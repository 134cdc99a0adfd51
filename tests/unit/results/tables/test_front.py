"""Several objectives: the front, and where it is shown."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.results import Results, load_results
from pipeline.results.report.page import report_page
from pipeline.results.tables.trials import objective_values, on_front, pareto_front
from pipeline.results.views.objects import results_object
from pipeline.results.views.study import summary
from pipeline.study import Objective
from tests.unit.results.front_studies import recorded
from tests.unit.results.studies import Recording


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A study that maximises an accuracy and minimises the number of parameters."""
    return recorded(tmp_path_factory.mktemp("studies"))


@pytest.fixture(scope="module")
def both(study: Recording) -> Results:
    """The results of the study with two objectives."""
    return load_results(study.store.uri)


_values = st.lists(
    st.tuples(*[st.one_of(st.integers(0, 4).map(float), st.just(np.nan), st.just(np.inf))] * 3), max_size=12
)


@given(points=_values, modes=st.tuples(*[st.sampled_from(["min", "max"])] * 3))
def test_the_front_has_the_trials_that_no_other_dominates(
    points: list[tuple[float, ...]], modes: tuple[str, ...]
) -> None:
    """The front has exactly the trials that no other dominates, and never a trial without a value."""
    values = np.array(points, np.float64).reshape(-1, 3)
    signed = values * [1 if mode == "max" else -1 for mode in modes]
    whole = np.isfinite(values).all(axis=1)

    def beats(one: np.ndarray, other: np.ndarray) -> bool:
        return bool((one >= other).all() and (one > other).any())

    expected = [
        whole[i] and not any(whole[j] and beats(signed[j], signed[i]) for j in range(len(values)))
        for i in range(len(values))
    ]
    assert on_front(values, modes).tolist() == expected


def test_a_trial_stands_for_its_best_epoch_in_the_first_objective(both: Results) -> None:
    """The front has each trial with all objectives at its best epoch in the first one, by which it is sorted."""
    assert [(p.trial_id, p.epoch, dict(p.values)) for p in pareto_front(both)] == [
        ("0003", 1, {"val_accuracy": 0.95, "parameters": 20_000.0}),
        ("0000", 1, {"val_accuracy": 0.9, "parameters": 1000.0}),
        ("0001", 1, {"val_accuracy": 0.8, "parameters": 50.0}),
        ("0004", 1, {"val_accuracy": 0.5, "parameters": 10.0}),
    ]


def test_a_metric_of_the_name_of_a_cost_goes_before_it(tmp_path: Path) -> None:
    """A metric that has the name of a measured cost is used instead of the cost."""
    results = load_results(recorded(tmp_path, own=True).store.uri)
    assert set(objective_values(results)["parameters"]) == {3.0}


def test_of_one_objective_the_front_is_the_best(asha_results: Results) -> None:
    """With one objective the front is the best trial, and the results do not mention it."""
    assert asha_results.best is not None
    assert [point.trial_id for point in pareto_front(asha_results)] == [asha_results.best.trial_id]
    assert "front" not in summary(asha_results)


def test_an_objective_without_values_makes_an_empty_front(tmp_path: Path) -> None:
    """A study with an objective that no trial reported has an empty front and can still be shown."""
    results = load_results(recorded(tmp_path, Objective("speed", "max")).store.uri)
    assert pareto_front(results) == []
    assert "No trial has a value of every objective" in report_page(results)


def test_the_winner_stays_the_best_of_the_first(both: Results) -> None:
    """With several objectives the winner is the best trial in the first one, and the text on the front says so."""
    assert both.best is not None
    assert both.best.trial_id == "0003"
    assert summary(both)["front"].startswith("4 of 6 trials")


def test_json_has_the_front_and_all_objectives(both: Results) -> None:
    """The JSON of results has the front and all objectives as JSON values."""
    reported = json.loads(json.dumps(results_object(both), allow_nan=False))
    assert [point["trial_id"] for point in reported["front"]] == ["0003", "0000", "0001", "0004"]
    assert reported["front"][0] == {
        "trial_id": "0003",
        "epoch": 1,
        "values": {"val_accuracy": 0.95, "parameters": 20_000.0},
    }
    assert reported["objectives"] == [
        {"metric": "val_accuracy", "mode": "max"},
        {"metric": "parameters", "mode": "min"},
    ]


def invoke(study: Recording, *arguments: str) -> list[str]:
    """Lines of `tunepipe results` on the study."""
    command = ["results", study.job.name, "--storage", str(study.root), *arguments]
    return CliRunner().invoke(app, command, catch_exceptions=False).stdout.splitlines()


def test_the_command_marks_the_front_and_shows_it_alone(study: Recording) -> None:
    """`tunepipe results` marks the front, and with --front prints it alone, even with conditions and formats."""
    whole = invoke(study)
    assert whole[2].split()[:3] == ["trial", "val_accuracy", "at"]
    assert [line.split()[-2] for line in whole[3:9]].count("yes") == 4
    assert any("4 of 6 trials" in line for line in whole)
    assert [line.split()[0] for line in invoke(study, "--front")[1:]] == ["0003", "0000", "0001", "0004"]
    assert [line.split()[0] for line in invoke(study, "--front", "--where", "objective < 0.9")[1:]] == ["0001", "0004"]
    csv = invoke(study, "--front", "--columns", "trial_id", "--format", "csv")
    assert csv == ['"trial_id"', '"0003"', '"0000"', '"0001"', '"0004"']


def test_a_trial_beyond_a_bound_is_on_no_front(tmp_path: Path) -> None:
    """A trial beyond the bound of an objective is not on the front, though no other trial dominates it."""
    results = load_results(recorded(tmp_path, Objective("parameters", "min", at_most=1000)).store.uri)
    assert [point.trial_id for point in pareto_front(results)] == ["0000", "0001", "0004"]
