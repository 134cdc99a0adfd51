"""The columns of metrics."""

import random

import pyarrow as pa
import pytest

from pipeline.storage.metric_column import assign_columns, column_of, metric_column, metric_field, metric_names
from pipeline.storage.schema import TABLES


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
