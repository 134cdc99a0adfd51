"""Columns and the schemas of tables."""

import math
import re
from dataclasses import asdict

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import StorageError
from pipeline.space import Choice, Grid, IntUniform, LogUniform, Uniform
from pipeline.storage import Store
from pipeline.storage.schema import TABLES, arrow_schema, config_columns, metric_column
from pipeline.storage.tables import derive_trials, parameters_of, read_rows, scored_sql
from pipeline.study import Objective
from pipeline.study.specification import total_violation
from tests.recorded_studies import START


@pytest.mark.parametrize("table", TABLES)
def test_columns_need_no_quotes(table: str) -> None:
    columns = TABLES[table]
    assert len({column.name for column in columns}) == len(columns)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", column.name) for column in columns)


@pytest.mark.parametrize(
    ("domain", "type_"),
    [
        (LogUniform(1, 2), pa.float64()),
        (IntUniform(0, 1), pa.int64()),
        (Choice([1, 2.5]), pa.float64()),
        (Choice([True, False]), pa.bool_()),
        (Grid([True, 2]), pa.string()),
        (3, pa.int64()),
        (False, pa.bool_()),
        ("relu", pa.string()),
    ],
)
def test_a_parameter_has_the_type_of_its_values(domain: object, type_: pa.DataType) -> None:
    assert config_columns({"p": domain}) == {"config_p": type_}


def test_schemas_name_parameters_and_metrics() -> None:
    space = {"lr": Uniform(0, 1)}
    assert "config_lr" in arrow_schema("trials", space).names
    assert {"config_lr", "val_loss"} <= set(arrow_schema("epochs", space, ["val_loss"]).names)
    assert not {"config_lr", "val_loss"} & set(arrow_schema("decisions", space, ["val_loss"]).names)


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


JOB = {"name": "s", "space": {"x": asdict(Uniform(0, 1)), "epochs": asdict(Uniform(0, 9))}}
STUDY = {"job": {**JOB, "objectives": [{"metric": "score", "mode": "max"}]}}


def test_whole_numbers_of_another_writer_become_floats(tmp_path) -> None:
    store, key = Store(tmp_path), {"session": 1, "trial_id": "0000", "attempt": 1, "epoch": 1, "time": START}
    store.write_table("epochs/mine.parquet", pa.Table.from_pylist([{**key, "score": 2**53 + 1, "config_x": 1}]))
    rows = read_rows(store, "epochs", STUDY, None)
    assert [rows[name].type for name in ("score", "config_x")] == [pa.float64(), pa.float64()]
    assert [rows[name].to_pylist() for name in ("score", "config_x", "study")] == [[2.0**53], [1.0], [None]]


def test_a_trial_without_an_epoch_has_the_config_that_was_drawn() -> None:
    start = {"session": 1, "number": 1, "trial_id": "0000", "kind": "start", "config_after": '{"epochs": 5.5}'}
    decisions = pa.Table.from_pylist([start], arrow_schema("decisions", {}))
    epochs = arrow_schema("epochs", parameters_of(STUDY), ["score"]).empty_table()
    (trial,) = derive_trials(epochs, decisions, STUDY, {}).to_pylist()
    assert [trial[name] for name in ("state", "epochs", "config_epochs", "config_x")] == ["running", 0, 5.5, None]


def test_violations_in_sql_are_those_of_the_objectives() -> None:
    objectives = [
        Objective("accuracy", "max"),
        Objective("loss", "min", at_most=0.3),
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
        found = database.sql(f"select _violation from ({scored_sql(study, epochs.schema)})").fetchall()
    rows = [[(one, float(values[one.metric][row])) for one in objectives] for row in range(400)]
    assert [violation for (violation,) in found] == [total_violation(row) for row in rows]
