"""Leaderboards, summaries and explanations as tables."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.tables.trials import ranked
from pipeline.results.views.explanation import explanation_tables
from pipeline.results.views.study import failures_table, leaderboard, provenance_in_words, summary
from pipeline.results.views.trial import trial_tables
from tests.unit.results.front_studies import recorded


def test_a_leaderboard_has_the_best_trials_and_marks_the_winner(asha_results: Results) -> None:
    board, best = leaderboard(asha_results, top=3), asha_results.best
    assert [row["trial_id"] for row in board.rows] == ranked(asha_results)[:3]
    assert [row["is_best"] for row in board.rows] == [True, False, False]
    assert best is not None
    assert {name: board.rows[0][f"config_{name}"] for name in best.config} == best.config
    assert board.rows[0]["objective"] == best.value
    named = ["0010", "0001", "0004"]
    assert [row["trial_id"] for row in leaderboard(asha_results, trials=named).rows] == named


def test_several_objectives_have_their_columns_and_the_front(tmp_path: Path) -> None:
    results = load_results(recorded(tmp_path, points=[(0.9, 1000), (0.5, 100), (0.4, 5000)]).store.uri)
    board = leaderboard(results)
    assert [column.key for column in board.columns][5:8] == ["state", "parameters", "front"]
    assert [(row["parameters"], row["front"]) for row in board.rows] == [(1000, True), (100, True), (5000, False)]


def test_a_summary_has_what_was_tuned_the_best_and_how_trials_ended(asha_results: Results) -> None:
    lines, best = summary(asha_results), asha_results.best
    assert best is not None
    assert f"trial {best.trial_id}, epoch {best.epoch}" in lines["best"]
    assert "18 stopped early" in lines["trials"]
    assert "2 failed" in lines["trials"]
    assert "command c1" not in lines["decided"]
    assert "test split" not in lines
    failed = [{**session, "winner_failure": "No space left."} for session in asha_results.sessions]
    assert "No space left" in summary(replace(asha_results, sessions=failed))["not exported"]


def test_each_question_has_a_table_with_the_keys_of_its_columns(asha_results: Results, pbt_results: Results) -> None:
    tables = {table.name: table for table in explanation_tables(asha_results)}
    assert list(tables) == ["importance", "stopping", "time"]
    for table in tables.values():
        shown = json.loads(json.dumps(table.as_object(), allow_nan=False))
        assert {"name", "title", "note", "rows"} <= set(shown)
        assert all(set(row) == {column.key for column in table.columns} for row in shown["rows"])
    assert sum(row["share"] for row in tables["time"].rows) == pytest.approx(1)
    assert [row["trials"] for row in failures_table(asha_results).rows] == [["0004"], ["0009"]]
    assert "lineage" in [table.name for table in explanation_tables(pbt_results)]


def test_a_trial_has_its_epochs_and_decisions(pbt_results: Results, asha_results: Results) -> None:
    epochs, decisions = trial_tables(pbt_results, "0000")
    assert (epochs.title, decisions.title) == ("epochs", "decisions")
    assert "val_accuracy" in [column.key for column in epochs.columns]
    assert [table.title for table in trial_tables(asha_results, "0004")] == ["decisions"]


def test_provenance_is_lines_of_each_session_that_has_some() -> None:
    machine = {"host": "box", "system": "Linux", "cpu": "", "cores": 2, "memory": 2**30, "gpus": ["A", "A"]}
    git = {"commit": "abc", "dirty": True}
    recorded = {"command": ["run", "a b"], "git": git, "versions": {"keras": "3"}, "machine": machine, "seed": 7}
    session = {"number": 2, "started": "2025-03-14T09:30:00+00:00", "provenance": recorded}
    ((title, lines),) = provenance_in_words([{"number": 1}, session])
    assert title == "session 2, 2025-03-14 09:30:00 UTC"
    assert dict(lines)["command"] == "run 'a b'"
    assert "uncommitted" in dict(lines)["commit"]
    assert dict(lines)["machine"].startswith("box, Linux, 2 cores")
