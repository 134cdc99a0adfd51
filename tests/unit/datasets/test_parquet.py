"""Parquet files of the user as a data set: loaded, or streamed."""

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets import Stream, differences, fingerprint, load, recorded_buffer
from pipeline.datasets.parquet import ParquetFiles, is_parquet
from pipeline.errors import DataError

ROWS = 300


def _file(folder: Path, columns: dict[str, Any], **options: Any) -> str:
    pq.write_table(pa.table(columns), folder / "data.parquet", **options)
    return str(folder / "data.parquet")


def _folder(place: Path, columns: dict[str, Any], files: int = 3) -> str:
    table = pa.table(columns)
    size = -(-table.num_rows // files)
    for part in range(files):
        pq.write_table(table.slice(part * size, size), place / f"part-{part}.parquet", row_group_size=30)
    return f"{place}/"


def _whole(split: Stream | Any, seed: int | None = None, size: int = 32) -> tuple[dict[str, np.ndarray], np.ndarray]:
    batches = [(x if isinstance(x, dict) else {"x": x}, y) for x, y in split.batches(size, seed)]
    assert {len(y) for _, y in batches[:-1]} <= {size}
    names = batches[0][0]
    return {name: np.concatenate([x[name] for x, _ in batches]) for name in names}, np.concatenate(
        [y for _, y in batches]
    )


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


@pytest.mark.parametrize(
    "columns",
    [
        {"x": range(9)},
        {"label": ["a", "b", "c"] * 3},
        {"x": [b"a"] * 8, "target": range(8)},
        {"x": range(4), "label": ["a", "b"] * 2},
        {"x": range(9), "label": ["a", "b", None] * 3},
        {"x": [float("nan"), *range(8)], "label": ["a", "b", "c"] * 3},
        {"x": range(9), "label": [0.5] * 9},
        {"x": range(9), "label": ["a"] * 9},
        {"x": [[1, 2], [3]] * 4, "target": range(8)},
        {"x": range(8), "target": range(8), "split": ["train"] * 8},
        {"x": range(8), "target": range(8), "split": ["train", "val"] * 4},
        {"x": range(8), "target": range(8), "split": range(8)},
        {"x": range(1500), "label": range(1500)},
    ],
)
def test_a_broken_rule_is_refused_with_the_file(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"data\.parquet"):
        load(_file(tmp_path, columns))


@pytest.mark.parametrize(
    "columns",
    [
        {"x": range(ROWS), "v": [[i, -i] for i in range(ROWS)], "target": range(ROWS)},
        {"x": range(ROWS), "label": pa.array(["b", "a", "c"] * 100).dictionary_encode()},
        {"image": pa.array([bytes([i % 256] * 9) for i in range(ROWS)], pa.binary(9)), "label": [True, False] * 150},
        {"text": [f"no. {i}" for i in range(ROWS)], "x": range(ROWS), "label": [3, 4] * 150},
        {"x": range(ROWS), "label": [7, 9] * 150, "split": ["train", "train", "test", "validation", "train"] * 60},
    ],
)
def test_a_stream_has_the_rows_of_loaded_files(tmp_path: Path, columns: dict[str, Any]) -> None:
    data = _folder(tmp_path, columns)
    loaded, streamed = load(data), load(data, buffer=50)
    assert list(streamed.splits) == list(loaded.splits)
    assert list(streamed.classes) == list(loaded.classes)
    for name, split in loaded.splits.items():
        stream = pickle.loads(pickle.dumps(streamed.splits[name]))
        x, y = _whole(stream)
        parts = split.x if isinstance(split.x, dict) else {"x": split.x}
        assert np.array_equal(y, split.y)
        assert all(np.array_equal(x[part], parts[part]) and x[part].dtype == parts[part].dtype for part in parts)
        assert stream.rows == split.rows


@pytest.mark.parametrize("buffer", [1, 7, 50, 10_000])
def test_a_seed_gives_an_order_of_all_rows(tmp_path: Path, buffer: int) -> None:
    train = load(_folder(tmp_path, {"x": range(ROWS), "target": range(ROWS)}), buffer=buffer).train
    (first, y), (again, _), (other, _) = (_whole(train, seed) for seed in (5, 5, 6))
    assert np.array_equal(first["x"], again["x"])
    assert np.array_equal(first["x"], y)
    assert not np.array_equal(first["x"], other["x"])
    assert Counter(first["x"][:, 0]) == Counter(_whole(train)[0]["x"][:, 0])


def test_size_decides_unless_a_choice_is_recorded(tmp_path: Path) -> None:
    data = _folder(tmp_path, {"x": range(ROWS), "v": [[i, -i] for i in range(ROWS)], "target": range(ROWS)})
    assert not load(data, memory=ROWS * 12).pipelines
    streams = load(data, memory=ROWS * 12 - 1)
    before = fingerprint(streams)
    again = load(data, memory=1e9, buffer=recorded_buffer(before))
    assert differences(before, fingerprint(again)) == []
    assert again.train.buffer == streams.train.buffer
    assert not load(data, memory=1, buffer=recorded_buffer(fingerprint(load(data)))).pipelines


def test_other_content_of_a_stream_is_noticed(tmp_path: Path) -> None:
    data = _folder(tmp_path, {"x": range(ROWS), "target": range(ROWS)})
    before = fingerprint(load(data, buffer=50))
    _folder(tmp_path, {"x": range(1, ROWS + 1), "target": range(ROWS)})
    assert any("train" in change for change in differences(before, fingerprint(load(data, buffer=50))))


@pytest.mark.parametrize("values", [[[1]] * 150 + [[1, 2]] * 150, [None, *range(ROWS - 1)]])
def test_lists_of_other_lengths_and_nulls_are_refused_where_they_are_read(tmp_path: Path, values: Any) -> None:
    data = _folder(tmp_path, {"x": values, "target": range(ROWS)}, files=2)
    with pytest.raises(DataError):
        _whole(load(data, buffer=50).train)


def test_row_groups_larger_than_the_memory_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": range(ROWS), "target": range(ROWS)}), tmp_path / "one.parquet")
    with pytest.raises(DataError, match="row_group_size"):
        load(f"{tmp_path}/one.parquet", memory=1000)


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
    [
        ("rows/", ["a.parquet", "b.parquet", "more/c.parquet", "z.parquet"]),
        ("rows/more/c.parquet", ["more/c.parquet"]),
    ],
)
def test_files_and_folders_are_found_in_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, data: str, names: list[str]
) -> None:
    (folder / "rows/z.parquet").symlink_to(folder / "rows/a.parquet")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    for spelling in (data, f"./{data}", f"~/{data}", f"{folder}/{data}", f"file://{folder}/{data}"):
        assert is_parquet(spelling)
        assert [path.rpartition("rows/")[2] for path in ParquetFiles.find(spelling).paths] == names


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
