"""The data that pictures are drawn from."""

import json
import math
from pathlib import Path

import numpy as np

from pipeline.page import picture_columns
from pipeline.page.picture_columns import as_json, best_so_far, curves, shown_metrics, trial_columns
from pipeline.results import Results, load_results
from pipeline.results.analysis.parameters import is_log
from pipeline.results.tables.sql import TrialsDatabase
from pipeline.space import Choice
from tests.unit.results.front_studies import recorded
from tests.unit.results.small_studies import of_function, wide_study
from tests.unit.results.studies import with_tables


def test_the_best_so_far_is_kept_where_it_changes(asha_results: Results) -> None:
    """The curve of the best value has only rising steps, the last of which is the study's best value."""
    steps = best_so_far(asha_results)
    assert asha_results.best is not None
    assert steps["best"] == sorted(steps["best"])
    assert math.isclose(steps["best"][-1], asha_results.best.value, rel_tol=1e-5)


def test_the_objective_is_the_first_metric(asha_results: Results) -> None:
    """The objective is the first of the metrics whose curves are shown."""
    assert shown_metrics(asha_results)[0] == ("val_accuracy", "val_accuracy")
    assert ("learning_rate", "learning rate") in shown_metrics(asha_results)


def test_a_metric_keeps_its_name(asha_results: Results) -> None:
    """The label of a metric is its name, even where that ends like the learning rate's."""
    renamed = with_tables(asha_results, epochs=asha_results.epochs.rename(columns={"accuracy": "hit_rate"}))
    assert ("hit_rate", "hit_rate") in shown_metrics(renamed)


def test_listed_values_come_with_their_sql(domains_results: Results) -> None:
    """The SQL of each listed value selects exactly the trials that have the value."""
    data = trial_columns(domains_results)
    json.loads(as_json(data))
    listed = [column for column in data["columns"] if "levels" in column]
    assert listed
    for column in listed:
        for place, sql in enumerate(column["sql"]):
            with TrialsDatabase({"study": domains_results}) as trials:
                chosen = trials.select(where=f"{column['name']} in ({sql})", columns=["trial_id"])
            expected = [
                trial
                for trial, value in zip(data["trials"], column["values"], strict=True)
                if value == place
            ]  # fmt: skip
            assert chosen["trial_id"].to_pylist() == expected


def test_listed_numbers_have_an_axis_of_their_own_values(tmp_path: Path) -> None:
    """Listed numbers are levels in the order of their domain, as listed texts are."""
    space = {"units": Choice((64, 16, 32)), "rate": Choice((1, 0.1, 0.30000000000000004))}
    results = of_function(tmp_path, lambda config: float(config["units"]), trials=30, space=space)
    data = trial_columns(results)
    columns = {column["name"]: column for column in data["columns"]}
    assert columns["config_units"]["levels"] == ["64", "16", "32"]
    assert columns["config_rate"]["levels"] == ["1", "0.1", "0.3"]
    assert set(columns["config_units"]["values"]) == {0, 1, 2}
    for name, column in ((name, columns[name]) for name in ("config_units", "config_rate")):
        for place, sql in enumerate(column["sql"]):
            with TrialsDatabase({"study": results}) as trials:
                chosen = trials.select(where=f"{name} in ({sql})", columns=["trial_id"])
            there = [trial for trial, value in zip(data["trials"], column["values"], strict=True) if value == place]
            assert chosen["trial_id"].to_pylist() == there


def test_a_long_curve_keeps_its_ends(asha_results: Results) -> None:
    """A long curve is thinned and keeps its first and last point."""
    lengths = np.array([1000, 0, 1, 3])
    rows = picture_columns.thinned(lengths, 12)
    assert rows[:12][[0, -1]].tolist() == [0, 999]
    assert rows[12:].tolist() == [1000, 1001, 1002, 1003]
    assert len(curves(asha_results, "loss")) > 8


def test_a_parameters_axis_is_that_of_the_report(asha_results: Results) -> None:
    """Whether a parameter's axis is logarithmic is decided by its domain, as in the report, and not by some trials."""
    data = {column["name"]: column for column in trial_columns(asha_results)["columns"]}
    for name, domain in asha_results.space.items():
        if f"config_{name}" in data:
            assert data[f"config_{name}"]["log"] is is_log(domain)
    assert data["config_lr"]["log"]
    assert "log" not in data["objective"]


def test_objectives_say_which_values_are_better(tmp_path: Path) -> None:
    """The columns of all objectives come first, each with its mode, and the trials of the front are named."""
    front_results = load_results(recorded(tmp_path).store.uri)
    data = trial_columns(front_results)
    modes = {column["label"]: column["mode"] for column in data["columns"] if "mode" in column}
    assert modes == {one.metric: one.mode for one in front_results.objectives}
    assert [column["label"] for column in data["columns"][: len(modes)]] == list(modes)
    assert data["metrics"] == shown_metrics(front_results)
    assert [data["trials"][place] for place in data["front"]] == ["0000", "0001", "0003", "0004"]


def test_the_most_influential_of_many_hyperparameters_are_in_pictures_of_all(tmp_path: Path) -> None:
    """Of 60 hyperparameters all are columns, 24 are in the pictures of all of them, and a sentence says so."""
    data = trial_columns(wide_study(tmp_path))
    assert sum(column["name"].startswith("config_") for column in data["columns"]) == 60
    assert (len(data["parameters"]), data["parameters"][0]) == (24, "config_p41")
    assert data["some"].startswith("Of 60 hyperparameters, the 24 with the most influence")


def test_all_of_few_hyperparameters_are_in_pictures_of_all(asha_results: Results) -> None:
    """If there are few hyperparameters, all are in the pictures of all of them, in the order of the space."""
    data = trial_columns(asha_results)
    assert data["parameters"] == [column["name"] for column in data["columns"] if column["name"].startswith("config_")]
    assert data["some"] == ""
