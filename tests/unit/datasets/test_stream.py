"""Splits that are read from Parquet files while a model trains."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets import Dataset, load
from pipeline.datasets.fingerprint import differences, fingerprint, recorded_buffer
from pipeline.datasets.stream import Stream
from pipeline.errors import DataError

_ROWS = 300
_ONES = [1.0] * _ROWS


def _folder(place: Path, columns: dict[str, Any], files: int = 3) -> str:
    table = pa.table(columns)
    size = -(-table.num_rows // files)
    for part in range(files):
        pq.write_table(table.slice(part * size, size), place / f"part-{part}.parquet", row_group_size=30)
    return f"{place}/"


def _read(split: Stream | Any, seed: int | None = None, size: int = 32) -> tuple[Any, np.ndarray]:
    found = list(split.batches(size, seed))
    xs = [x for x, _ in found]
    x = {name: np.concatenate([each[name] for each in xs]) for name in xs[0]} if isinstance(xs[0], dict) else xs
    return x if isinstance(x, dict) else np.concatenate(x), np.concatenate([y for _, y in found])


def _both(data: str) -> tuple[Dataset, Dataset]:
    return load(data), load(data, buffer=50)


@pytest.mark.parametrize(
    "columns",
    [
        {"x": range(_ROWS), "v": [[i, -i] for i in range(_ROWS)], "target": range(_ROWS)},
        {"x": range(_ROWS), "label": ["b", "a", "c"] * 100},
        {
            "x": range(_ROWS),
            "image": pa.array([bytes([i % 256] * 9) for i in range(_ROWS)], pa.binary(9)),
            "target": _ONES,
        },
        {"text": [f"no. {i}" for i in range(_ROWS)], "label": [True, False] * 150},
        {"text": [f"no. {i}" for i in range(_ROWS)], "x": range(_ROWS), "label": [3, 4] * 150},
        {"x": range(_ROWS), "label": [7, 9] * 150, "split": ["train", "train", "test", "validation", "train"] * 60},
    ],
)
def test_a_stream_has_the_rows_of_arrays(tmp_path: Path, columns: dict[str, Any]) -> None:
    """In the files' order, a stream has the same inputs, targets and splits as loaded files."""
    arrays, streams = _both(_folder(tmp_path, columns))
    assert list(streams.splits) == list(arrays.splits)
    assert all(isinstance(split, Stream) for split in streams.splits.values())
    assert list(streams.classes) == list(arrays.classes)
    for name, split in arrays.splits.items():
        x, y = _read(pickle.loads(pickle.dumps(streams.splits[name])))
        assert y.dtype == np.float32
        assert np.array_equal(y, split.y)
        parts = split.x if isinstance(split.x, dict) else {"x": split.x}
        found = x if isinstance(x, dict) else {"x": x}
        assert all(np.array_equal(found[part], parts[part]) for part in parts)
        assert all(found[part].dtype == parts[part].dtype for part in parts)
        assert streams.splits[name].rows == split.rows


def test_a_seed_gives_an_order(tmp_path: Path) -> None:
    """Each seed gives a distinct order of all rows, which is the same in every process."""
    train = load(_folder(tmp_path, {"x": range(_ROWS), "target": range(_ROWS)}), buffer=50).train
    (first, y), (again, _), (other, _) = (_read(train, seed) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert np.array_equal(first, y)
    assert not np.array_equal(first, other)
    assert sorted(first[:, 0]) == sorted(other[:, 0]) == sorted(_read(train)[0][:, 0])


def test_size_decides(tmp_path: Path) -> None:
    """Files are loaded if their arrays fit into memory and streamed otherwise, unless a choice is recorded."""
    data = _folder(tmp_path, {"x": range(_ROWS), "v": [[i, -i] for i in range(_ROWS)], "target": range(_ROWS)})
    assert not load(data, memory=_ROWS * 12).pipelines
    streams = load(data, memory=_ROWS * 12 - 1)
    assert streams.train.buffer == _ROWS // 4 - 1
    before = fingerprint(streams)
    again = load(data, memory=1e9, buffer=recorded_buffer(before))
    assert differences(before, fingerprint(again)) == []
    assert again.train.buffer == streams.train.buffer
    arrays = load(data, memory=1, buffer=recorded_buffer(fingerprint(load(data))))
    assert not arrays.pipelines


def test_other_content_is_noticed(tmp_path: Path) -> None:
    """Files with the same number of rows but other values have another fingerprint, and the difference is reported."""
    data = _folder(tmp_path, {"x": range(_ROWS), "target": range(_ROWS)})
    before = fingerprint(load(data, buffer=50))
    _folder(tmp_path, {"x": range(1, _ROWS + 1), "target": range(_ROWS)})
    assert differences(before, fingerprint(load(data, buffer=50)))[0] == (
        "the train pipeline has different content, in the same number of rows"
    )


@pytest.mark.parametrize(
    ("columns", "reported"),
    [
        ({"x": range(_ROWS), "label": ["a", "b", None] * 100}, "Column 'label' .* nulls; every row needs"),
        ({"x": range(_ROWS), "label": ["a"] * _ROWS}, "holds a single class, 'a'"),
        (
            {"x": range(_ROWS), "target": range(_ROWS), "split": ["train"] * _ROWS},
            "'split' .* holds train; each row must",
        ),
        ({"x": range(_ROWS), "label": [i / 2 for i in range(_ROWS)]}, "'label' .* holds double"),
    ],
)
def test_targets_and_splits_are_checked_before_training(tmp_path: Path, columns: dict, reported: str) -> None:
    """Faults in labels and splits of a stream are reported when it is opened, as for loaded data."""
    with pytest.raises(DataError, match=reported):
        load(_folder(tmp_path, columns), buffer=50)


def test_wrong_inputs_are_reported_where_they_are_read(tmp_path: Path) -> None:
    """Lists of differing lengths are reported when the row group that contains them is read."""
    data = _folder(tmp_path, {"x": [[1]] * 150 + [[1, 2]] * 150, "target": range(_ROWS)}, files=2)
    with pytest.raises(DataError, match="have different lengths in some row groups"):
        _read(load(data, buffer=50).train)


def test_large_row_groups_are_refused(tmp_path: Path) -> None:
    """A row group that needs more than half of the memory is refused with its place and a remedy."""
    pq.write_table(pa.table({"x": range(_ROWS), "target": range(_ROWS)}), tmp_path / "one.parquet")
    with pytest.raises(DataError, match=r"a row group of .*one\.parquet.*300 rows.*smaller row groups"):
        load(f"{tmp_path}/one.parquet", memory=1000)
