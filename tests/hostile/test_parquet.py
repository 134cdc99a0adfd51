"""Parquet files of other origins, as a data set and among a study's parts."""

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pipeline.datasets import Split, load
from pipeline.errors import DataError
from tests.cases import cases
from tests.command import tunepipe

ROWS = 12


def _column(values: list[Any], type_: pa.DataType | None = None) -> pa.Array:
    return pa.array([values[row % len(values)] for row in range(ROWS)], type_)


COLUMNS: dict[str, pa.Array] = {
    "float": _column([0.5, 1.5, 2.5]), "half": _column([0.5, 1.5], pa.float32()).cast(pa.float16()),
    "whole": _column([1, 2, 3]), "truth": _column([True, False]), "text": _column(["a", "b"]),
    "odd text": _column(["\x1b[2J", "\u202e", "</script>", "\0"]),
    "large text": _column(["a", "b"], pa.large_string()), "bytes": _column([b"a", b"bc"]),
    "words": _column(["a", "b"]).dictionary_encode(), "list": _column([[1.0, 2.0]]),
    "ragged list": _column([[1.0], [1.0, 2.0]]), "list of nulls": _column([[None]], pa.list_(pa.float64())),
    "fixed list": _column([[1.0, 2.0]], pa.list_(pa.float64(), 2)), "struct": _column([{"a": 1}]),
    "map": _column([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "date": _column([datetime.date(2020, 1, 1)]),
    "time": _column([datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)]),
    "far time": _column([2**62], pa.int64()).cast(pa.timestamp("us")), "decimal": _column([decimal.Decimal("1.5")]),
    "null": pa.nulls(ROWS), "nan": _column([float("nan"), 1.0]), "infinite": _column([float("inf"), 1.0]),
}  # fmt: skip


def _write(path: Path, columns: list[tuple[str, pa.Array]]) -> Path:
    names = [name for name, _ in columns]
    pq.write_table(pa.Table.from_arrays([values for _, values in columns], names=names), path)
    return path


def _loaded(path: Path) -> None:
    """Check for a data set of finite numbers and text, or a message that names the file."""
    try:
        data = load(str(path))
    except DataError as error:
        reported = str(error)
    else:
        reported = ""
    if reported:
        assert path.name in reported
        return
    for split in (data.train, data.validation):
        if isinstance(split, Split):
            columns = split.x.values() if isinstance(split.x, dict) else [split.x]
            for values in (*columns, split.y):
                if values.dtype == object:
                    assert all(isinstance(value, str) for value in values)
                else:
                    assert np.isfinite(values).all()
                    assert values.dtype == np.float32


@pytest.mark.parametrize("role", ["input", "label", "target", "split"])
def test_a_column_of_any_type_is_used_or_refused_in_each_role(role: str, tmp_path: Path) -> None:
    for kind, column in COLUMNS.items():
        named = {"input": COLUMNS["float"]} | ({} if role == "target" else {"label": COLUMNS["text"]}) | {role: column}
        _loaded(_write(tmp_path / f"{kind}.parquet", list(named.items())))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    columns=st.lists(
        st.tuples(
            st.one_of(st.sampled_from(["label", "target", "split", "x", ""]), st.text(max_size=8)),
            st.sampled_from(list(COLUMNS)),
        ),
        max_size=5,
    ),
    rows=st.integers(0, ROWS),
)
def test_repeated_names_and_no_rows_are_used_or_refused(
    columns: list[tuple[str, str]], rows: int, tmp_path: Path
) -> None:
    writable = [(name, COLUMNS[kind].slice(0, rows)) for name, kind in columns if name.isprintable()]
    _loaded(_write(tmp_path / "x.parquet", writable))


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1", b"cposix\nsystem\n(S'x'\ntR.", b"a,b\n1,2\n"]
)
def test_a_file_that_is_no_parquet_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.parquet is not a complete Parquet file"):
        load(str(path))


@pytest.mark.parametrize("table", ["epochs", "decisions"])
def test_an_unknown_part_changes_no_result(table: str, storage: Path) -> None:
    """A Parquet file of another origin among the parts is no part, because the session does not name it."""
    before = tunepipe("results", "small", "--storage", str(storage))
    _write(storage / "small" / table / "x.parquet", [("odd", COLUMNS["struct"])])
    assert tunepipe("results", "small", "--storage", str(storage)) == before


@pytest.mark.parametrize("version", ["0", "2", "9" * 5000, "", "\x1b[2J", None, b"\xff"])
def test_a_part_of_another_version_is_read_or_refused(version: str | bytes | None, storage: Path) -> None:
    path = storage / "small/epochs/all-0001.parquet"
    metadata = {} if version is None else {"schema_version": version}
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    printed = tunepipe("results", "small", "--storage", str(storage))
    assert printed.code == (0 if version is None else 2), printed
    assert "\x1b" not in printed.errors


@pytest.mark.parametrize(
    "column", cases(["trial_id", "epoch", "time", "distance", "config_rate", "seconds_train"], ["epoch", "distance"])
)
def test_a_column_of_another_type_is_reported(column: str, storage: Path) -> None:
    path = storage / "small/epochs/all-0001.parquet"
    table = pq.read_table(path).slice(0, ROWS)
    place = table.column_names.index(column)
    for kind in ("text", "null", "nan", "list"):
        pq.write_table(table.set_column(place, column, COLUMNS[kind]), path)
        printed = tunepipe("results", "small", "--json", "--storage", str(storage))
        assert printed.code == 0 or (printed.code == 2 and "epochs" in printed.errors), printed
