"""Tables and columns."""

import re

import pyarrow as pa
import pytest

from pipeline.space import Choice, Grid, IntUniform, LogUniform, Uniform
from pipeline.storage.schema import TABLES, arrow_schema, config_columns


@pytest.mark.parametrize("table", TABLES)
def test_columns_need_no_quotes(table: str) -> None:
    columns = TABLES[table]
    assert len({column.name for column in columns}) == len(columns)
    for column in columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert re.fullmatch(r"\S.*\.", column.meaning)


@pytest.mark.parametrize(
    ("domain", "type_"),
    [
        (LogUniform(1, 2), pa.float64()),
        (IntUniform(0, 1), pa.int64()),
        (Choice([1, 2]), pa.int64()),
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
