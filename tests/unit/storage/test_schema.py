"""Tables and columns."""

import random
import re

import pyarrow as pa
import pytest

from pipeline.space import Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Uniform
from pipeline.storage.schema import (
    TABLES,
    arrow_schema,
    assign_columns,
    column_of,
    config_columns,
    metric_column,
    metric_field,
    metric_names,
)


@pytest.mark.parametrize("table", TABLES)
def test_columns_need_no_quotes(table: str) -> None:
    """Every column has a unique lower-case name and a sentence that describes it."""
    columns = TABLES[table]
    assert len({column.name for column in columns}) == len(columns)
    for column in columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert re.fullmatch(r"\S.*\.", column.meaning)


@pytest.mark.parametrize(
    ("domain", "type_"),
    [
        (Uniform(0, 1), pa.float64()),
        (LogUniform(1, 2), pa.float64()),
        (QUniform(0, 1, 0.5), pa.float64()),
        (Normal(0, 1), pa.float64()),
        (IntUniform(0, 1), pa.int64()),
        (Choice([1, 2]), pa.int64()),
        (Choice([1, 2.5]), pa.float64()),
        (Choice([True, False]), pa.bool_()),
        (Choice(["a", "b"]), pa.string()),
        (Grid([1, "a"]), pa.string()),
        (Grid([True, 2]), pa.string()),
        (3, pa.int64()),
        (3.0, pa.float64()),
        (False, pa.bool_()),
        ("relu", pa.string()),
    ],
)
def test_a_parameter_has_the_type_of_its_values(domain: object, type_: pa.DataType) -> None:
    """A parameter of numbers has a numeric column, and a choice of mixed types a text column."""
    assert config_columns({"p": domain}) == {"config_p": type_}


def test_schemas_name_parameters_and_metrics() -> None:
    """Trials and epochs have columns for configs, and only epochs have columns for metrics."""
    space = {"lr": Uniform(0, 1)}
    assert "config_lr" in arrow_schema("trials", space).names
    assert {"config_lr", "val_loss"} <= set(arrow_schema("epochs", space, ["val_loss"]).names)
    assert not {"config_lr", "val_loss"} & set(arrow_schema("decisions", space, ["val_loss"]).names)


@pytest.mark.parametrize(
    ("metric", "column"),
    [
        *((name, name) for name in ("val_accuracy", "loss_1", "точность", "精度", "größe", "accuracy_20231201")),
        ("F1", "f1"),
        ("val-acc", "val_acc"),
        ("Top-5 Acc", "top_5_acc"),
        ("Точность", "точность"),
        ("epoch", "metric_epoch"),
        ("config_lr", "metric_config_lr"),
        ("select", "metric_select"),
        ("1st", "metric_1st"),
    ],
)
def test_a_metrics_column_is_its_name_as_far_as_a_column_can_hold_it(metric: str, column: str) -> None:
    """A metric's column is its name in lower case, with `_` for signs and letters of any script unchanged."""
    assert metric_column(metric) == column


def test_no_two_metrics_of_a_study_share_a_column() -> None:
    """Metrics that differ in case, signs or invalid characters have distinct columns, distinct from the table's own."""
    draws, signs = random.Random(17), "aA_-é \n🎯ßж.9"
    names = {"".join(draws.choices(signs, k=draws.randint(0, 8))) for _ in range(20_000)}
    names |= {column.name for column in TABLES["epochs"]} | {"order", "select", "config_lr", "", "val-acc", "val_acc"}
    names |= {metric_column(name) for name in list(names)}
    columns = set(assign_columns(names, {}).values())
    assert len(columns) == len(names)
    assert all(name.isidentifier() and name == name.lower() and not name.startswith("config_") for name in columns)
    assert not columns & {column.name for column in TABLES["epochs"]}
    assert not columns & {"order", "select"}


def test_a_metric_that_has_a_column_keeps_it() -> None:
    """A metric keeps its column, whichever metrics follow in any order."""
    first = assign_columns(["a b"], {})
    later = assign_columns(["a-b", "A_B", "a b"], first)
    assert (first["a b"], later["a b"]) == ("a_b", "a_b")
    names = metric_names(pa.schema([metric_field(metric, column) for metric, column in later.items()]))
    assert {metric: column_of(metric, names) for metric in later} == later
