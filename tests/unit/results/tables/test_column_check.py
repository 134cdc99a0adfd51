"""Whether a table's columns hold what the schema says."""

import pyarrow as pa
import pytest

from pipeline.errors import StorageError
from pipeline.results.tables.column_check import check_columns, config_column, config_from

_SCHEMA = pa.schema([pa.field("kept", pa.int64())], metadata={"schema_version": "1"})
_ROW = {"session": [1], "trial_id": ["0000"], "attempt": [1], "epoch": [1], "time": [0], "kept": [1]}
_WHOLE = pa.schema([*_SCHEMA, *(pa.field(name, pa.array(_ROW[name]).type) for name in _ROW if name != "kept")])


def test_valid_columns_are_kept() -> None:
    """A table's columns of the schema are unchanged, and its other columns become float metrics."""
    table = check_columns(pa.table({**_ROW, "loss": [1], "none": pa.nulls(1)}), "epochs", _WHOLE)
    assert table.column("kept").type == pa.int64()
    assert table.select(["loss", "none"]).to_pydict() == {"loss": [1.0], "none": [None]}


@pytest.mark.parametrize(
    ("column", "values", "what"),
    [
        ("kept", ["x"], "holds string in the column 'kept', not int64"),
        ("loss", ["x"], "holds string in the column 'loss', not double"),
        ("epoch", pa.nulls(1), "1 of its rows have no epoch"),
    ],
)
def test_a_table_that_does_not_fit_is_reported(column: str, values: object, what: str) -> None:
    """A column of a wrong type and a row without its key are reported with the column and a remedy."""
    with pytest.raises(
        StorageError, match=rf"tunepipe did not write the table epochs in this form: .*{what}\. Move files"
    ):
        check_columns(pa.table({**_ROW, column: values}), "epochs", _WHOLE)


def test_only_decisions_about_the_study_have_no_trial() -> None:
    """A pause, a resume and a change of the budget may have no trial; any other decision without one is reported."""
    rows = {"session": [1, 1], "number": [1, 2], "trial_id": ["0000", None], "reason": ["r", "r"]}
    for kind in ("pause", "resume", "budget"):
        table = pa.table({**rows, "kind": ["start", kind]})
        assert check_columns(table, "decisions", table.schema).num_rows == 2
    for kind in ("start", "stop", None):
        table = pa.table({**rows, "kind": pa.array(["start", kind], pa.string())})
        with pytest.raises(StorageError, match=r"1 of its rows have no trial_id"):
            check_columns(table, "decisions", table.schema)


def test_configs_of_decisions() -> None:
    """A decision's config must be a JSON object or empty, with values of the types of their columns."""
    assert config_from('{"lr": 0.5}') == {"lr": 0.5}
    assert config_from(None) == config_from("") == {}
    for text in ("3", "{", "[" * 100_000):
        with pytest.raises(StorageError, match="config_after of one of its rows is not a config"):
            config_from(text)
    assert config_column("lr", [0.5, None], pa.float64()).to_pylist() == [0.5, None]
    with pytest.raises(StorageError, match="a value of lr in config_after is not double"):
        config_column("lr", ["x"], pa.float64())
