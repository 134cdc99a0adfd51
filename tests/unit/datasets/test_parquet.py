"""Parquet files of the user as a data set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets import load, parquet
from pipeline.errors import DataError
from pipeline.machine import this_machine


def _file(folder: Path, columns: dict[str, Any], **options: Any) -> str:
    pq.write_table(pa.table(columns), folder / "data.parquet", **options)
    return str(folder / "data.parquet")


def test_numbers_lists_and_bytes_become_inputs_side_by_side(tmp_path: Path) -> None:
    columns = {
        "b": pa.array(range(20), pa.int64()),
        "label": ["no", "yes"] * 10,
        "flag": [i % 2 == 1 for i in range(20)],
        "v": pa.array([[i, i + 1] for i in range(20)], pa.large_list(pa.float32())),
        "image": pa.array([bytes([i, 255 - i]) for i in range(20)], pa.binary(2)),
    }
    data = load(_file(tmp_path, columns, row_group_size=3))
    x = np.concatenate([data.train.x, data.validation.x])
    y = np.concatenate([data.train.y, data.validation.y])[np.argsort(x[:, 0])]
    expected = [
        [i, i % 2, i, i + 1, np.float32(i) / np.float32(255), np.float32(255 - i) / np.float32(255)] for i in range(20)
    ]
    assert x.dtype == y.dtype == np.float32
    assert np.array_equal(x[np.argsort(x[:, 0])], np.array(expected, np.float32))
    assert np.array_equal(y, [[1, 0], [0, 1]] * 10)
    assert (data.name, list(data.classes)) == ("data", ["no", "yes"])
    assert data.facts == {"inputs": 6, "columns": ["b", "flag", "v", "image"]}


def test_a_fifth_is_held_out_by_the_number_of_rows_alone(tmp_path: Path) -> None:
    first = load(_file(tmp_path, {"x": range(100), "target": range(100)}))
    second = load(_file(tmp_path, {"x": range(100), "target": [0.5] * 100}))
    held_out = first.validation.x[:, 0]
    assert (first.validation.rows, first.train.rows, first.test) == (20, 80, None)
    assert np.array_equal(held_out, second.validation.x[:, 0])
    assert sorted([*held_out, *first.train.x[:, 0]]) == list(range(100))
    assert np.ptp(held_out) > 50


@pytest.mark.parametrize("columns", [
    {"x": range(9)},
    {"x": [b"a"] * 8, "target": range(8)},
    {"x": range(8), "target": ["a", "b"] * 4},
    {"x": range(4), "label": ["a", "b"] * 2},
    {"x": range(9), "label": ["a", "b", None] * 3},
    {"x": [float("nan"), *range(8)], "label": ["a", "b", "c"] * 3},
    {"x": range(9), "label": ["a"] * 9},
    {"x": [[1, 2], [3]] * 4, "target": range(8)},
    {"x": [None, *range(8)], "target": range(9)},
    {"x": range(8), "target": range(8), "split": ["train", "val"] * 4},
    {"x": range(1500), "label": range(1500)},
    {"x": range(1500), "label": list(map(str, range(1500)))},
])  # fmt: skip
def test_a_broken_rule_is_refused_with_the_file(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"data\.parquet"):
        load(_file(tmp_path, columns))


def test_categories_text_and_named_splits_of_many_files(tmp_path: Path) -> None:
    columns = {
        "text": [f"no. {i}" for i in range(20)],
        "x": range(20),
        "label": pa.array(["b", "a", "a", "b"] * 5).dictionary_encode(),
        "split": ["train", "train", "test", "validation", "train"] * 4,
    }
    for part in range(3):
        pq.write_table(pa.table(columns).slice(part * 7, 7), tmp_path / f"{part}.parquet", row_group_size=2)
    data = load(f"{tmp_path}/")
    rows = [row for row in range(20) if row % 5 in (0, 1, 4)]
    assert data.train.x["text"].tolist() == [f"no. {row}" for row in rows]
    assert data.train.x["x"][:, 0].tolist() == rows
    assert data.train.y.argmax(axis=1).tolist() == [int(row % 4 in (0, 3)) for row in rows]
    assert (data.validation.rows, data.test.rows, list(data.classes)) == (4, 4, ["a", "b"])


def test_rows_larger_than_the_free_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _file(tmp_path, {"x": range(300), "target": range(300)})
    machine = this_machine()
    monkeypatch.setattr(parquet, "this_machine", lambda: replace(machine, free=1000))
    with pytest.raises(DataError, match="data function"):
        load(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("rows/b.parquet", "rows/a.parquet", "rows/more/c.parquet", "rows/_tmp/d.parquet", "rows/.e.parquet"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"x": range(10), "target": range(10)}), file, row_group_size=4)
    (tmp_path / "rows/notes.txt").write_text("none")
    return tmp_path


@pytest.mark.parametrize(
    ("data", "names"),
    [("rows/", ["a.parquet", "b.parquet", "more/c.parquet", "z.parquet"]), ("rows/more/c.parquet", ["more/c.parquet"])],
)
def test_files_and_folders_are_found_in_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, data: str, names: list[str]
) -> None:
    (folder / "rows/z.parquet").symlink_to(folder / "rows/a.parquet")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    for spelling in (data, f"./{data}", f"~/{data}", f"{folder}/{data}", f"file://{folder}/{data}"):
        assert parquet.is_parquet(spelling)
        assert [path.rpartition("rows/")[2] for path in parquet.find_files(spelling)[2]] == names


@pytest.mark.parametrize("data", ["empty/", "gone/", "gone.parquet", "rows/text.parquet", "a\0.parquet"])
def test_missing_and_broken_files_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    (folder / "empty").mkdir()
    (folder / "rows/text.parquet").write_text("x,label\n1,2\n")
    monkeypatch.chdir(folder)
    with pytest.raises(DataError):
        load(data)


def test_files_need_the_same_columns(folder: Path) -> None:
    pq.write_table(pa.table({"x": range(10), "label": range(10)}), folder / "rows/more/c.parquet")
    with pytest.raises(DataError, match=r"c\.parquet"):
        load(f"{folder}/rows/")


def test_folders_named_by_a_value_are_a_column(tmp_path: Path) -> None:
    for name, rows in (("train", 8), ("validation", 4)):
        (tmp_path / f"split={name}").mkdir()
        pq.write_table(pa.table({"x": range(rows), "target": range(rows)}), tmp_path / f"split={name}/part.parquet")
    data = load(f"{tmp_path}/")
    assert (data.train.rows, data.validation.rows, data.test) == (8, 4, None)
    assert data.facts["columns"] == ["x"]
