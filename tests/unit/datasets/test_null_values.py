"""Nulls among the inputs of Parquet files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets import load
from pipeline.datasets.null_values import check_no_nulls
from pipeline.datasets.parquet_files import ParquetFiles
from pipeline.errors import DataError

_ROWS = 60
_WHOLE = {"x": range(_ROWS), "v": [[i, -i] for i in range(_ROWS)], "text": ["a"] * _ROWS, "label": [1, 2] * 30}


def _folder(place: Path, columns: dict[str, Any], **options: Any) -> str:
    for part in range(2):
        rows = pa.table(columns).slice(part * _ROWS // 2, _ROWS // 2)
        pq.write_table(rows, place / f"part-{part}.parquet", row_group_size=10, **options)
    return f"{place}/"


def _with_nulls(values: Any, *places: int) -> list[Any]:
    return [None if place in places else value for place, value in enumerate(values)]


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize(
    ("nulls", "reported"),
    [
        ({"x": (59,)}, r"Column 'x' of .*/ has 1 nulls; inputs must be complete"),
        ({"text": (0, 45)}, r"Column 'text' of .*/ has 2 nulls"),
        ({"v": (7,), "x": (8, 9)}, r"Columns 'x' \(2\), 'v' \(1\) of .*/ have nulls"),
    ],
)
def test_each_column_with_nulls_is_named(tmp_path: Path, nulls: dict, reported: str, *, statistics: bool) -> None:
    """Files with nulls, streamed or loaded, are refused when opened, with the names of all columns with nulls."""
    columns = {name: _with_nulls(values, *nulls.get(name, ())) for name, values in _WHOLE.items()}
    data = _folder(tmp_path, columns, write_statistics=statistics)
    for buffer in (0, 50):
        with pytest.raises(DataError, match=reported):
            load(data, buffer=buffer)


def test_columns_are_read_only_where_footers_do_not_say_that_they_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column is searched for nulls only if the file's footer has no statistics for it."""
    files = ParquetFiles.find(_folder(tmp_path, _WHOLE, write_statistics=["x", "v.list.element"]))
    read: list[str] = []
    table = ParquetFiles.table
    monkeypatch.setattr(
        ParquetFiles, "table", lambda self, group, columns: read.extend(columns) or table(self, group, columns)
    )
    check_no_nulls(files, ["x", "v", "text"])
    assert read == ["text"] * 6


def test_names_of_folders_count_as_complete(tmp_path: Path) -> None:
    """An input from the name of a folder, such as `day=1`, has no nulls and is not searched for in the files."""
    for day in (1, 2):
        place = tmp_path / f"day={day}"
        place.mkdir()
        _folder(place, _WHOLE)
    assert load(f"{tmp_path}/", buffer=50).train.inputs == ("x", "v", "text", "day")
