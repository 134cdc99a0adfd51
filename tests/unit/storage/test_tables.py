"""Columns and the schemas of tables."""

import math
import re
from dataclasses import asdict

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from pipeline.errors import StorageError
from pipeline.space import Choice, Grid, IntUniform, LogUniform, Uniform
from pipeline.storage import Store, layout
from pipeline.storage.schema import KEYS, TABLES, arrow_schema, config_columns, metric_column, metric_columns
from pipeline.storage.sessions import TableFiles
from pipeline.storage.tables import derive_trials, newest_checkpoints, parameters_of, read_rows, scored_sql
from pipeline.study import Objective
from pipeline.study.specification import total_violation
from tests.recorded_studies import START


@pytest.mark.parametrize("table", TABLES)
def test_columns_need_no_quotes(table: str) -> None:
    columns = TABLES[table]
    assert len({column.name for column in columns}) == len(columns)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column.name) for column in columns)


def test_a_parameter_has_the_type_of_its_values() -> None:
    domains = [LogUniform(1, 2), IntUniform(0, 1), Choice([1, 2.5]), Choice([True, False]), Grid([True, 2]), 3, "relu"]
    found = config_columns({str(place): domain for place, domain in enumerate(domains)}).values()
    assert list(map(str, found)) == ["double", "int64", "double", "bool", "string", "int64", "string"]


def test_schemas_name_parameters_and_metrics() -> None:
    space = {"lr": Uniform(0, 1)}
    assert "config_lr" in arrow_schema("trials", space).names
    assert {"config_lr", "val_loss"} <= set(arrow_schema("epochs", space, ["val_loss"]).names)
    assert not {"config_lr", "val_loss"} & set(arrow_schema("decisions", space, ["val_loss"]).names)
    assert metric_columns(arrow_schema("epochs", space, ["val_loss"]).names) == ["val_loss"]


@pytest.mark.parametrize(
    ("metric", "column"),
    [("val_accuracy", "val_accuracy"), ("F1", "f1"), ("val/AUC (macro)", "val_auc_macro"), ("損失", "損失"),
     ("epoch", "metric_epoch"), ("config_lr", "metric_config_lr"), ("1", "metric_1"),
     ("☃", "metric_516433")],
)  # fmt: skip
def test_a_metric_has_a_column_that_sql_can_name(metric: str, column: str) -> None:
    assert metric_column(metric) == column
    assert metric_column("☃") != metric_column("\ud800")


def test_the_version_of_a_schema_is_written_and_read(tmp_path) -> None:
    schema = arrow_schema("decisions", {})
    store, table = Store(tmp_path), pa.Table.from_pylist([{"reason": "full"}, {"reason": "full"}], schema)
    store.write_table("1.parquet", table)
    read = store.read_table("1.parquet")
    assert read.schema.metadata == {b"schema_version": b"1"}
    assert (read["reason"].type, read) == (pa.string(), table)
    store.write_table("2.parquet", table.replace_schema_metadata({"schema_version": "2"}))
    with pytest.raises(StorageError, match="schema version 2"):
        store.read_table("2.parquet")


def test_a_column_of_different_values_is_stored_as_it_is(tmp_path) -> None:
    Store(tmp_path).write_table("x.parquet", pa.table({"x": range(40_000)}))
    assert (tmp_path / "x.parquet").stat().st_size < 80_000


JOB = {"name": "s", "space": {"x": asdict(Uniform(0, 1)), "epochs": asdict(Uniform(0, 9))}}
STUDY = {"job": {**JOB, "objectives": [{"metric": "score", "mode": "max"}]}}


def test_whole_numbers_of_another_writer_become_floats(tmp_path) -> None:
    store, key = Store(tmp_path), {"session": 1, "trial_id": "0000", "attempt": 1, "epoch": 1, "time": START}
    store.write_table(layout.part("epochs", 1, 1), pa.Table.from_pylist([{**key, "score": 2**53 + 1, "config_x": 1}]))
    rows = read_rows(store, "epochs", STUDY, {"epochs": TableFiles(parts={1: 1})})
    assert [rows[name].type for name in ("score", "config_x")] == [pa.float64(), pa.float64()]
    assert [rows[name].to_pylist() for name in ("score", "config_x", "study")] == [[2.0**53], [1.0], [None]]
    with pytest.raises(StorageError, match="part-0001-000002"):
        read_rows(store, "epochs", STUDY, {"epochs": TableFiles(parts={1: 2**40})})


def test_a_trial_without_an_epoch_has_the_config_that_was_drawn() -> None:
    start = {"session": 1, "number": 1, "trial_id": "0000", "kind": "start", "config_after": '{"epochs": 5.5}'}
    decisions = pa.Table.from_pylist([start], arrow_schema("decisions", {}))
    epochs = arrow_schema("epochs", parameters_of(STUDY), ["score"]).empty_table()
    checkpoints = [layout.checkpoint("0000", epoch) for epoch in (2, 12, 3)]
    (trial,) = derive_trials(epochs, decisions, STUDY, newest_checkpoints([*checkpoints, "notes"])).to_pylist()
    assert [trial[name] for name in ("state", "epochs", "config_epochs", "config_x")] == ["running", 0, 5.5, None]
    assert trial["checkpoint"] == checkpoints[1]


_EPOCHS = st.tuples(st.integers(9_999, 10_001), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))


@given(parts=st.lists(st.lists(_EPOCHS, min_size=1, max_size=4), min_size=1, max_size=4))
def test_the_newest_row_of_each_epoch_counts_and_trials_are_in_order(parts, tmp_path_factory) -> None:
    store, newest, place = Store(tmp_path_factory.mktemp("s")), {}, 0
    for number, part in enumerate(parts, start=1):
        rows = []
        for trial, epoch, session, attempt in part:
            place += 1
            keys = {"trial_id": f"{trial}", "epoch": epoch, "session": session, "attempt": attempt, "time": START}
            rows.append({**keys, "score": float(place)})
            newest[trial, epoch] = max(newest.get((trial, epoch), (0, 0, 0)), (session, attempt, place))
        store.write_table(layout.part("epochs", 1, number), pa.Table.from_pylist(rows))
    read = read_rows(store, "epochs", STUDY, {"epochs": TableFiles(parts={1: len(parts)})})
    assert read["score"].to_pylist() == [newest[key][-1] for key in sorted(newest)]


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, keys in KEYS.items() for key in keys])
def test_a_row_without_a_key_is_refused_unless_it_is_about_the_study(table: str, key: str, tmp_path) -> None:
    row = {"trial_id": "0", "time": START, "kind": "fail", "reason": "it did"}
    row |= dict.fromkeys(("session", "attempt", "epoch", "number"), 1)
    rows = [row, {**row, key: None}, *([{**row, "trial_id": None, "kind": "stop"}] if table == "decisions" else [])]
    store = Store(tmp_path)
    store.write_table(layout.part(table, 1, 1), pa.Table.from_pylist(rows, arrow_schema(table, {})))
    with pytest.raises(StorageError, match=f"1 of its rows have no {key}"):
        read_rows(store, table, STUDY, {table: TableFiles(parts={1: 1})})


def test_losses_and_violations_in_sql_are_those_of_the_objectives() -> None:
    objectives = [
        Objective("accuracy", "max"),
        Objective("loss", "min", at_most=0.3, at_least=0.0),
        Objective("parameters", "min", at_most=0.0, at_least=-7.0),
        Objective("gain", "max", at_least=1e-9),
    ]
    rng = np.random.default_rng(0)
    extremes = [math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 0.3, 0.0, -0.0, -7.0, 1e-9]
    values = {one.metric: np.append(rng.normal(0, 5, 200), rng.choice(extremes, 200)) for one in objectives}
    epochs = pa.table(values)
    study = {"job": {"objectives": [asdict(one) for one in objectives]}}
    with duckdb.connect() as database:
        database.register("epochs", epochs)
        found = database.sql(f"select _violation, _loss from ({scored_sql(study, epochs.schema)})").fetchall()
    rows = [[(one, float(values[one.metric][row])) for one in objectives] for row in range(400)]
    assert [violation for violation, _ in found] == [total_violation(row) for row in rows]
    assert np.array_equal([loss for _, loss in found], -values["accuracy"], equal_nan=True)
