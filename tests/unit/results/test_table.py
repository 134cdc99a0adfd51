"""Tables: leaderboards, summaries and explanations, for people and for other programs."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.cells import cell_len
from rich.console import Console

from pipeline.errors import UsageError
from pipeline.results import Results, load_results
from pipeline.results.tables.trials import board as ranking
from pipeline.results.views.explanation import explanation_tables
from pipeline.results.views.study import failures_table, leaderboard, provenance_in_words, summary
from pipeline.results.views.table import Column, Table, write_table
from pipeline.results.views.trial import trial_tables
from pipeline.storage.sessions import SessionRecord
from tests.front_studies import recorded

TABLE = pa.table(
    {
        "name": ['a "b", c', "x|y\nz", None],
        "value": pa.array([0.1234567890123, float("nan"), None]),
        "count": pa.array([1, None, 3]),
        "whole": pa.array([Decimal(7), None, Decimal(9)], pa.decimal128(38, 0)),
        "list": [["a"], [], None],
        "time": pa.array([datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), None, None]),
    }
)


def written(form: str, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    write_table(table, form, sink)
    return sink.getvalue()


def test_csv_has_every_digit_and_nothing_where_there_is_nothing() -> None:
    flat = TABLE.drop(["list"])
    rows = list(csv.reader(io.StringIO(written("csv", flat).decode())))
    assert rows[0] == flat.column_names
    assert rows[1][:4] == ['a "b", c', "0.1234567890123", "1", "7"]
    assert rows[3][:2] == ["", ""]


def test_json_is_an_array_of_rows_with_null_for_what_is_not_finite() -> None:
    rows = json.loads(written("json", TABLE), parse_constant=pytest.fail)
    assert rows[0] == {
        "name": 'a "b", c', "value": 0.1234567890123, "count": 1, "whole": 7, "list": ["a"],
        "time": "2025-01-02T03:04:05+00:00",
    }  # fmt: skip
    assert rows[1]["value"] is None
    assert isinstance(rows[0]["whole"], int)


@pytest.mark.parametrize(("form", "column"), [
    ("json", pa.array([2**31 - 1], pa.int32()).cast(pa.date32())),
    ("csv", pa.array([["a"]])),
    ("parquet", pa.array([(0, 1, 0)], pa.month_day_nano_interval())),
])  # fmt: skip
def test_a_value_that_a_format_does_not_know_is_refused(form: str, column: pa.Array) -> None:
    with pytest.raises(UsageError, match="column::varchar"):
        written(form, pa.table({"value": column}))


def table_of(columns: Sequence[Column], rows: Sequence[Sequence[str]], **more: Any) -> Table:
    keys = [column.key for column in columns]
    return Table("", columns, [dict(zip(keys, row, strict=True)) for row in rows], **more)


def board(parameters: int = 6) -> Table:
    fixed = [
        Column("trial", keep="whole"),
        Column("value", "val_accuracy", right=True, keep="whole"),
        Column("why", keep="wrapped"),
    ]
    columns = [*fixed, *(Column(f"p{place}", keep="extra") for place in range(parameters))]
    rows = [
        ["0000", "0.9712", "because of many things " * 3, *map(str, range(parameters))],
        ["0001", "0.9613", "so", *["x" * 90] * parameters],
    ]
    return table_of(columns, rows)


def shown(table: Table, width: int, *, terminal: bool = True) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=terminal, color_system=None)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_the_last_optional_columns_are_removed_first() -> None:
    lines = shown(board(), 118)
    assert lines[0].split() == ["trial", "val_accuracy", "why", "p0"]
    assert lines[-1] == "+5 columns (p1, p2, p3, p4, p5): a wider terminal or --json shows them."


@pytest.mark.parametrize("width", range(20, 300, 31))
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    lines = shown(board(), width)
    assert max(map(cell_len, lines)) <= width
    assert {"0000", "0001", "0.9712", "0.9613"} <= set(" ".join(lines).split())


def test_rows_of_a_terminal_that_is_too_narrow_become_records() -> None:
    table = table_of([Column("name"), Column("text")], [["one", "x" * 90], ["two", "漢字" * 20]])
    lines = shown(table, 30)
    assert lines[:2] == ["name  one", "text  " + "x" * 24]
    assert "".join(line.split()[-1] for line in lines[1:5]).removeprefix("text") == "x" * 90
    assert "" in lines


def test_people_see_the_first_rows_and_programs_all() -> None:
    table = Table("t", [Column("a")], [{"a": float("nan")}, {"a": 2}, {"a": 3}], most=1)
    assert shown(table, 80)[-1].startswith("… and 2 more")
    assert [row["a"] for row in table.as_object()["rows"]] == [None, 2, 3]


def test_a_table_without_rows_is_its_sentence() -> None:
    assert shown(Table("title", [Column("a")], [], "none."), 80) == ["title", "none."]


def test_a_leaderboard_has_the_best_trials_and_marks_the_winner(asha_results: Results) -> None:
    board, best = leaderboard(asha_results, top=3), asha_results.best
    assert [row["trial_id"] for row in board.rows] == ranking(asha_results)["trial_id"].to_pylist()[:3]
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
    failed = [each.model_copy(update={"export_failure": "No space left."}) for each in asha_results.sessions]
    assert "No space left" in summary(replace(asha_results, sessions=failed))["not exported"]


def test_each_question_has_a_table_with_the_keys_of_its_columns(asha_results: Results, pbt_results: Results) -> None:
    tables = {table.name: table for table in explanation_tables(asha_results)}
    assert list(tables) == ["importance", "stopping", "time"]
    for table in tables.values():
        shown = json.loads(json.dumps(table.as_object(), allow_nan=False))
        assert {"name", "title", "note", "rows"} <= set(shown)
        assert all({column.key for column in table.columns} <= set(row) for row in shown["rows"])
    assert sum(row["share"] for row in tables["time"].rows) == pytest.approx(1)
    assert [row["trials"] for row in failures_table(asha_results).rows] == [["0004"], ["0009"]]
    few = {table.name: table for table in explanation_tables(pbt_results)}
    assert "lineage" in few
    assert "--trials 64` trains more" in few["importance"].note


def test_a_trial_has_its_epochs_and_decisions(pbt_results: Results, asha_results: Results) -> None:
    epochs, decisions = trial_tables(pbt_results, "0000")
    assert (epochs.title, decisions.title) == ("epochs", "decisions")
    assert "val_accuracy" in [column.key for column in epochs.columns]
    assert [table.title for table in trial_tables(asha_results, "0004")] == ["decisions"]


def test_provenance_is_lines_of_each_session_that_has_some() -> None:
    machine = {"host": "box", "system": "Linux", "cpu": "", "cores": 2, "memory": 2**30, "gpus": ["A", "A"]}
    git = {"commit": "abc", "dirty": True}
    recorded = {"command": ["run", "a b"], "git": git, "versions": {"keras": "3"}, "machine": machine, "seed": 7}
    session = SessionRecord(number=2, state="ended", started="2025-03-14T09:30", tables={}, provenance=recorded)
    ((title, lines),) = provenance_in_words([session.model_copy(update={"provenance": None}), session])
    assert title == "session 2, 2025-03-14 09:30:00 UTC"
    assert dict(lines)["command"] == "run 'a b'"
    assert "uncommitted" in dict(lines)["commit"]
    assert dict(lines)["machine"].startswith("box, Linux, 2 cores")
