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
from tests.hostile.command import tunepipe

ROWS = 12


def _column(values: list[Any], type_: pa.DataType | None = None) -> pa.Array:
    return pa.array([values[row % len(values)] for row in range(ROWS)], type_)


COLUMNS: dict[str, pa.Array] = {
    "float": _column([0.5, 1.5, 2.5]),
    "half": _column([0.5, 1.5], pa.float32()).cast(pa.float16()),
    "whole": _column([1, 2, 3]),
    "huge whole": _column([2**64 - 1, 1], pa.uint64()),
    "truth": _column([True, False]),
    "text": _column(["a", "b"]),
    "huge text": _column(["x" * 1_000_000, "y"]),
    "odd text": _column(["\x1b[2J", "\u202e", "</script>", "\0"]),
    "large text": _column(["a", "b"], pa.large_string()),
    "text view": _column(["a", "b"], pa.string_view()),
    "bytes": _column([b"a", b"bc"]),
    "fixed bytes": _column([b"ab", b"cd"], pa.binary(2)),
    "words": _column(["a", "b"]).dictionary_encode(),
    "number words": _column([1, 2]).dictionary_encode(),
    "list": _column([[1.0, 2.0]]),
    "ragged list": _column([[1.0], [1.0, 2.0]]),
    "list of lists": _column([[[1.0]], [[2.0]]]),
    "list of nulls": _column([[None]], pa.list_(pa.float64())),
    "empty list": _column([[]], pa.list_(pa.float64())),
    "fixed list": _column([[1.0, 2.0]], pa.list_(pa.float64(), 2)),
    "fixed list of nothing": _column([[]], pa.list_(pa.float64(), 0)),
    "struct": _column([{"a": 1}]),
    "map": _column([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "date": _column([datetime.date(2020, 1, 1)]),
    "time": _column([datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)]),
    "far time": _column([2**62], pa.int64()).cast(pa.timestamp("us")),
    "duration": _column([datetime.timedelta(1)]),
    "decimal": _column([decimal.Decimal("1.5")]),
    "huge decimal": _column([decimal.Decimal(10) ** 60], pa.decimal256(70)),
    "null": pa.nulls(ROWS),
    "some nulls": _column([1.0, None]),
    "nan": _column([float("nan"), 1.0]),
    "infinite": _column([float("inf"), 1.0]),
}


def _write(path: Path, columns: list[tuple[str, pa.Array]]) -> Path:
    names = [name for name, _ in columns]
    pq.write_table(pa.Table.from_arrays([values for _, values in columns], names=names), path)
    return path


def _loaded(path: Path) -> None:
    """Check for a data set of finite numbers and text, a stream, or a message that names the file."""
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


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_any_type(kind: str, tmp_path: Path) -> None:
    """A column of any type is used in each role or refused by its name."""
    columns = [("input", COLUMNS["float"]), ("label", COLUMNS["text"])]
    for role in ("input", "label", "target", "split"):
        named = dict([*(columns[:1] if role == "target" else columns), (role, COLUMNS[kind])])
        _loaded(_write(tmp_path / "x.parquet", list(named.items())))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    columns=st.lists(
        st.tuples(
            st.one_of(st.sampled_from(["label", "target", "split", "x", ""]), st.text(max_size=8)),
            st.sampled_from([kind for kind in COLUMNS if kind != "huge text"]),
        ),
        max_size=5,
    ),
    rows=st.integers(0, ROWS),
)
def test_any_columns(columns: list[tuple[str, str]], rows: int, tmp_path: Path) -> None:
    """Any columns, with repeated names or without rows, are used or refused by name."""
    writable = [(name, COLUMNS[kind].slice(0, rows)) for name, kind in columns if name.isprintable()]
    _loaded(_write(tmp_path / "x.parquet", writable))


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1", b"cposix\nsystem\n(S'x'\ntR.", b"a,b\n1,2\n"]
)
def test_files_that_are_no_parquet(content: bytes, tmp_path: Path) -> None:
    """A file that is not Parquet is refused by its name."""
    path = tmp_path / "x.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.parquet is not a complete Parquet file"):
        load(str(path))


@pytest.mark.parametrize(
    "path", ["no\0.parquet", "x" * 300 + ".parquet", "\udcff.parquet", "../.parquet", "/.parquet", "s3:/x.parquet"]
)
def test_paths_that_no_file_can_have(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that no file can have is refused as missing data."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        load(path)


def test_a_data_file_may_be_a_link(tmp_path: Path) -> None:
    """A data file may be a link, because users choose where their data are."""
    (tmp_path / "far").mkdir()
    real = _write(tmp_path / "far" / "real.parquet", [("x", COLUMNS["float"]), ("label", COLUMNS["text"])])
    (tmp_path / "x.parquet").symlink_to(real)
    assert load(str(tmp_path / "x.parquet")).train.rows > 0


@pytest.mark.parametrize("table", ["epochs", "decisions"])
@pytest.mark.parametrize("kind", ["float", "odd text", "ragged list", "struct", "null"])
def test_an_unknown_part_is_reported_or_ignored(kind: str, table: str, storage: Path) -> None:
    """A Parquet file of another origin among the parts is reported with its table, or changes no result."""
    before = tunepipe("results", "small", "--storage", str(storage))
    _write(storage / "small" / table / "x.parquet", [("odd", COLUMNS[kind])])
    printed = tunepipe("results", "small", "--storage", str(storage))
    assert printed == before or (printed.code == 2 and table in printed.errors), printed


@pytest.mark.parametrize("version", ["0", "2", "-1", "²", "9" * 5000, "", "\x1b[2J", None, b"\xff"])
def test_a_part_of_another_version_is_read_or_refused(version: str | bytes | None, storage: Path) -> None:
    """A part with any other value as its schema version is read or refused with a message."""
    path = storage / "small" / "epochs" / "all-0001.parquet"
    metadata = {} if version is None else {"schema_version": version}
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    printed = tunepipe("results", "small", "--storage", str(storage))
    assert printed.code == (0 if version is None else 2), printed
    assert "\x1b" not in printed.errors


@pytest.mark.parametrize(
    "column", ["trial_id", "epoch", "session", "attempt", "time", "distance", "config_rate", "seconds_train"]
)
@pytest.mark.parametrize("kind", ["text", "null", "nan", "list"])
def test_a_column_of_another_type_is_reported(column: str, kind: str, storage: Path) -> None:
    """A table with a column of another type is reported by its name, or shown as far as possible."""
    path = storage / "small" / "epochs" / "all-0001.parquet"
    table = pq.read_table(path).slice(0, ROWS)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, COLUMNS[kind]), path)
    printed = tunepipe("results", "small", "--json", "--storage", str(storage))
    assert printed.code == 0 or (printed.code == 2 and "epochs" in printed.errors), printed
