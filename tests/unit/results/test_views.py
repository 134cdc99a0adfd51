"""Leaderboards, summaries and explanations as tables."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.comparison import compared
from pipeline.results.analysis.importance import importances
from pipeline.results.tables.trials import ranked
from pipeline.results.views.explanation import (
    comparison_tables,
    comparison_warning,
    early_table,
    explanation_tables,
    importance_table,
    stopping_table,
)
from pipeline.results.views.study import columns, leaderboard, summary
from pipeline.results.views.trial import trial_tables
from tests.unit.results.front_studies import recorded
from tests.unit.results.small_studies import by_epoch_study, one_epoch_study

RISING = [[0.1 * n, 0.1 * n + 0.05, 0.1 * n + 0.1, 0.1 * n + 0.2] for n in range(6)]


def test_a_leaderboard_has_the_best_trials_and_marks_the_winner(asha_results: Results) -> None:
    board = leaderboard({"a": asha_results}, top=3)
    assert [row["trial_id"] for row in board.rows] == ranked(asha_results)[:3]
    assert [row["is_best"] for row in board.rows] == [True, False, False]
    best = asha_results.best
    assert best is not None
    assert {name: board.rows[0][f"config_{name}"] for name in best.config} == best.config
    assert board.rows[0]["objective"] == best.value


def test_a_leaderboard_of_named_trials_keeps_their_order(asha_results: Results) -> None:
    named = [("a", "0010"), ("a", "0001"), ("a", "0004")]
    assert [row["trial_id"] for row in leaderboard({"a": asha_results}, trials=named).rows] == ["0010", "0001", "0004"]


def test_several_studies_share_columns_and_each_metric_has_its_own(
    asha_results: Results, domains_results: Results
) -> None:
    board = leaderboard({"a": asha_results, "b": domains_results}, trials=[("a", "0001"), ("b", "0000")])
    headings = [column.heading for column in board.columns]
    assert headings[:4] == ["study", "trial", "val_accuracy", "val_loss"]
    assert len(headings) == len(set(headings))
    (first, second) = board.cells()
    assert (first[3], second[2]) == ("–", "–")


def test_several_objectives_have_their_columns_and_the_front(tmp_path: Path) -> None:
    results = load_results(recorded(tmp_path, points=[(0.9, 1000), (0.5, 100), (0.4, 5000)]).store.uri)
    board = leaderboard({"a": results})
    assert [column.key for column in board.columns][5:8] == ["state", "parameters", "front"]
    assert [(row["parameters"], row["front"]) for row in board.rows] == [(1000, True), (100, True), (5000, False)]


def test_of_many_hyperparameters_the_most_influential_have_columns(wide: Results) -> None:
    shown = [column.key for column in columns(wide, 5) if column.key.startswith("config_")]
    assert len(shown) == 5
    assert shown[0] == "config_p41"


def test_a_summary_has_what_was_tuned_the_best_and_how_trials_ended(asha_results: Results) -> None:
    lines = summary(asha_results)
    best = asha_results.best
    assert best is not None
    assert f"trial {best.trial_id}, epoch {best.epoch}" in lines["best"]
    assert "18 stopped early" in lines["trials"]
    assert "2 failed" in lines["trials"]
    assert "command c1" not in lines["decided"]
    assert "test split" not in lines
    failed = [{**session, "winner_failure": "No space left."} for session in asha_results.sessions]
    assert "No space left" in summary(replace(asha_results, sessions=failed))["not exported"]


def test_each_question_has_a_table_with_the_keys_of_its_columns(asha_results: Results) -> None:
    tables = {table.name: table for table in explanation_tables(asha_results)}
    assert list(tables) == ["importance", "early", "stopping", "time", "failures"]
    for table in tables.values():
        shown = json.loads(json.dumps(table.as_object(), allow_nan=False))
        assert {"name", "title", "note", "rows"} <= set(shown)
        assert all(set(row) == {column.key for column in table.columns} for row in shown["rows"])
    assert sum(row["share"] for row in tables["time"].rows) == pytest.approx(1)
    assert [row["trials"] for row in tables["failures"].rows] == [["0004"], ["0009"]]


def test_lineage_is_a_question_of_populations(pbt_results: Results) -> None:
    assert "lineage" in [table.name for table in explanation_tables(pbt_results)]


def test_shares_are_rows_and_their_curves_are_for_programs(known: Results) -> None:
    (importance,) = importances(known)
    table = importance_table(importance)
    assert [row["hyperparameters"] for row in table.rows[:2]] == [["a"], ["c"]]
    assert table.cells()[0][1].endswith("%")
    assert set(table.as_object()["curves"]) == {"a", "b", "c", "idle"}


def test_the_first_reliable_epoch_may_justify_a_shorter_grace_period(tmp_path: Path) -> None:
    curves = [[0.01 * n, 0.01 * n + 0.05, 0.01 * n + 0.1, 0.01 * n + 0.2] for n in range(30)]
    results = by_epoch_study(tmp_path, curves, epochs=4)
    job = {**results.job, "scheduler": {**results.job["scheduler"], "grace_period": 2}}
    assert "grace period of 1" in early_table(replace(results, study={**results.study, "job": job})).note
    assert "grace period" not in early_table(results).note


def test_doubtful_stops_are_rows_and_without_any_the_chance_is_bounded(tmp_path: Path) -> None:
    doubtful = stopping_table(by_epoch_study(tmp_path / "a", [*RISING, [0.55]], epochs=4))
    assert [row["trial_id"] for row in doubtful.rows] == ["0006"]
    sure = stopping_table(by_epoch_study(tmp_path / "b", [*RISING, [0.05]], epochs=4))
    assert sure.rows == []
    assert "39%" in sure.note


def test_a_comparison_is_tables_and_a_warning(tmp_path: Path) -> None:
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    a, b = (one_epoch_study(tmp_path, name, values) for name in ("a", "b"))
    comparison = compared({"a": a, "b": b})
    names = [table.name for table in comparison_tables(comparison)]
    assert names == ["studies", "differences", "best_quarters"]
    assert comparison_warning(comparison) == ""
    other = compared({"a": a, "b": replace(b, study={**b.study, "job": {**b.job, "folds": 3}})})
    assert "differences" not in [table.name for table in comparison_tables(other)]
    assert comparison_warning(other)


def test_a_trial_has_its_segments_epochs_and_decisions(pbt_results: Results, asha_results: Results) -> None:
    assert [table.title for table in trial_tables(pbt_results, "0000")] == ["segments", "epochs", "decisions"]
    segments, epochs, _ = trial_tables(pbt_results, "0000")
    assert segments.rows[0]["weights_of"] == "its own"
    assert epochs.columns[2].key == "val_accuracy"
    assert [table.title for table in trial_tables(asha_results, "0004")] == ["decisions"]
