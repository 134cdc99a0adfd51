"""A Parquet file of the user as a data set."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets import load
from pipeline.errors import DataError


def _file(folder: Path, table: pa.Table | dict, **options: object) -> str:
    path = folder / "data.parquet"
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, **options)
    return str(path)


def _refused(folder: Path, table: pa.Table | dict) -> str:
    with pytest.raises(DataError) as caught:
        load(_file(folder, table))
    return str(caught.value)


def test_numbers_become_inputs_side_by_side(tmp_path: Path) -> None:
    """Integers, floats and booleans become float32 columns in the file's order, and text labels sorted classes."""
    rows = 20
    dataset = load(
        _file(
            tmp_path,
            {
                "b": pa.array(range(rows), pa.int64()),
                "label": ["no", "yes"] * (rows // 2),
                "a": [i / 2 for i in range(rows)],
                "c": [i % 2 == 1 for i in range(rows)],
            },
        )
    )
    x = np.concatenate([dataset.train.x, dataset.validation.x])
    y = np.concatenate([dataset.train.y, dataset.validation.y])
    order = np.argsort(x[:, 0])
    assert x.dtype == y.dtype == np.float32
    assert np.array_equal(x[order], [[i, i / 2, i % 2] for i in range(rows)])
    assert np.array_equal(y[order], [[1, 0], [0, 1]] * (rows // 2))
    assert (dataset.name, list(dataset.classes)) == ("data", ["no", "yes"])
    assert dataset.facts == {"inputs": 3, "columns": ["b", "a", "c"]}


def test_a_fifth_is_held_out_by_the_number_of_rows_alone(tmp_path: Path) -> None:
    """The held-out fifth depends only on the number of rows, is spread over the file and shares no row."""
    first = load(_file(tmp_path, {"x": range(100), "target": range(100)}))
    second = load(_file(tmp_path, {"x": range(100), "target": [0.5] * 100}))
    held_out = first.validation.x[:, 0]
    assert (first.validation.rows, first.train.rows, first.test) == (20, 80, None)
    assert np.array_equal(held_out, second.validation.x[:, 0])
    assert sorted([*held_out, *first.train.x[:, 0]]) == list(range(100))
    assert np.ptp(held_out) > 50


def test_a_split_column_assigns_rows(tmp_path: Path) -> None:
    """Rows belong to the split that the column `split` names, and that column is not an input."""
    splits = ["train", "test", "validation", "train", "train"]
    dataset = load(_file(tmp_path, {"x": range(5), "target": range(5), "split": splits}))
    assert dataset.test is not None
    found = [split.x[:, 0].tolist() for split in (dataset.train, dataset.validation, dataset.test)]
    assert found == [[0, 3, 4], [2], [1]]


def test_target_is_a_number(tmp_path: Path) -> None:
    """A numeric column `target` becomes one column of numbers, without classes."""
    dataset = load(_file(tmp_path, {"x": range(10), "target": pa.array([0.1 * i for i in range(10)])}))
    assert dataset.train.y.shape == (8, 1)
    assert dataset.train.y.dtype == np.float32
    assert list(dataset.classes) == []


@pytest.mark.parametrize("labels", [[3, 7] * 5, [False, True] * 5, pa.array(["u", "v"] * 5).dictionary_encode()])
def test_classes_are_named_by_their_values(tmp_path: Path, labels: object) -> None:
    """Integers, booleans and categories are classes in sorted order."""
    dataset = load(_file(tmp_path, {"x": range(10), "label": labels}))
    x = np.concatenate([dataset.train.x, dataset.validation.x])[:, 0]
    y = np.concatenate([dataset.train.y, dataset.validation.y])
    assert len(dataset.classes) == 2
    assert np.array_equal(y.argmax(axis=1), x % 2)


def test_binary_of_a_fixed_size_is_scaled(tmp_path: Path) -> None:
    """Each byte of a binary column of fixed size is a feature from 0 to 1, even over several row groups."""
    images = pa.array([bytes([i, 255 - i, 51]) for i in range(10)], pa.binary(3))
    dataset = load(_file(tmp_path, {"image": images, "target": range(10)}, row_group_size=3))
    x = np.concatenate([dataset.train.x, dataset.validation.x])
    order = np.argsort(np.concatenate([dataset.train.y, dataset.validation.y])[:, 0])
    bytes_ = np.array([[i, 255 - i, 51] for i in range(10)], np.float32)
    assert np.array_equal(x[order], bytes_ / np.float32(255))


@pytest.mark.parametrize("type_", [pa.list_(pa.int16()), pa.large_list(pa.float32()), pa.list_(pa.float64(), 2)])
def test_lists_of_one_length_are_inputs(tmp_path: Path, type_: pa.DataType) -> None:
    """Lists of numbers, fixed in size or not, become one feature for each number, in addition to other columns."""
    lists = pa.array([[i, i + 1] for i in range(10)], type_)
    dataset = load(_file(tmp_path, {"v": lists, "x": range(10), "target": range(10)}, row_group_size=4))
    assert np.array_equal(dataset.train.x, dataset.train.y + np.array([[0, 1, 0]], np.float32))


@pytest.mark.parametrize(
    ("columns", "reported"),
    [
        ({"x": range(9)}, "The columns of .* are x. Allowed: one target column"),
        ({"x": range(9), "label": range(9), "target": range(9)}, "are x, label, target. Allowed"),
        ({"label": ["a", "b", "c"] * 3}, "are label. Allowed"),
        ({"x": range(4), "label": ["a", "b"] * 2}, "has 4 rows; at least 5"),
        ({"x": [1, None, *range(7)], "label": ["a", "b", "c"] * 3}, "Column 'x' .* has 1 nulls"),
        ({"x": range(9), "label": ["a", "b", None] * 3}, "Column 'label' .* has 3 nulls; every row"),
        ({"x": [float("nan"), *range(8)], "label": ["a", "b", "c"] * 3}, "Column 'x' .* holds 1 values that are not f"),
        ({"x": [1e300, *range(8)], "label": ["a", "b", "c"] * 3}, "Column 'x' .* holds 1 values that are not finite"),
        ({"x": pa.array([1] * 9, pa.timestamp("s")), "target": range(9)}, "'x' .* cannot be an input: it holds time"),
        ({"x": range(9), "label": [0.5] * 9}, "Column 'label' .* holds double; .* Call the column 'target'"),
        ({"x": range(9), "label": ["a"] * 9}, "holds a single class, 'a'; at least two"),
        ({"x": range(9), "target": ["a"] * 9}, "Column 'target' .* cannot be .*: it holds text"),
        ({"x": [[1, 2], [3]] * 4, "target": range(8)}, "lists in column 'x' .* lengths from 1 to 2"),
        ({"x": pa.array([[]] * 8, pa.list_(pa.int8())), "target": range(8)}, "lists in column 'x' .* are empty"),
        ({"x": [["a"]] * 8, "target": range(8)}, "Column 'x' .* holds lists of text"),
        ({"x": [[1, None]] * 8, "target": range(8)}, "lists in column 'x' .* hold 8 nulls"),
        ({"x": range(8), "target": range(8), "split": ["train"] * 8}, "'split' .* holds train; each row must have"),
        ({"x": range(8), "target": range(8), "split": ["train", "val"] * 4}, "'split' .* holds train, val; each row"),
        ({"x": range(8), "target": range(8), "split": ["train", None] * 4}, "'split' .* holds None, train; each row"),
        ({"x": range(1500), "label": range(1500)}, "holds 1500 different whole numbers in 1500 rows"),
    ],
)
def test_a_broken_rule_is_reported_with_what_was_found(tmp_path: Path, columns: dict, reported: str) -> None:
    """Each broken rule is reported with the column, the file, the value found and the allowed values."""
    message = _refused(tmp_path, columns)
    assert "data.parquet" in message
    with pytest.raises(DataError, match=reported):
        load(str(tmp_path / "data.parquet"))


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """A path that ends in .parquet is reported as a missing file, not as an unknown name."""
    with pytest.raises(DataError, match=r"no data file .*gone\.parquet"):
        load(str(tmp_path / "gone.parquet"))


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    """A file with content other than Parquet is refused by its name."""
    (tmp_path / "text.parquet").write_text("x,label\n1,2\n")
    with pytest.raises(DataError, match=r"text\.parquet is not a complete Parquet file"):
        load(str(tmp_path / "text.parquet"))


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    """A folder with the name of a Parquet file is refused as a folder."""
    (tmp_path / "parts.parquet").mkdir()
    with pytest.raises(DataError, match=r"parts\.parquet cannot be read"):
        load(str(tmp_path / "parts.parquet"))


def test_relative_paths_and_uris_are_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path relative to the current folder, a home path and a file:// URI read the same file."""
    path = _file(tmp_path, {"x": range(10), "target": range(10)})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "HOME", str(tmp_path))
    for spelling in ("data.parquet", "./data.parquet", "~/data.parquet", f"file://{path}"):
        assert load(spelling).train.rows == 8
