"""Properties of every data set."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import pipeline.datasets
from pipeline.datasets import DATASETS, Dataset, Split, leaves, load


@pytest.fixture(scope="module", params=sorted(DATASETS))
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return load(request.param)


def _hashes(split: Split) -> list[int]:
    return [hash(b"".join(row.tobytes() for row in rows)) for rows in zip(*leaves(split.x), strict=True)]


def test_arrays_are_what_a_network_takes(dataset: Dataset) -> None:
    assert DATASETS[dataset.name]().name == dataset.name
    assert dataset.facts["inputs"] == dataset.train.x.shape[1]
    shapes = set()
    for split in dataset.arrays.values():
        arrays = leaves((split.x, split.y, split.weight))
        assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in arrays)
        assert all(np.isfinite(array).all() for array in arrays)
        shapes.add(tuple(array.shape[1:] for array in arrays))
    assert len(shapes) == 1
    assert (dataset.train.x.min(), dataset.train.x.max()) == (0, 1)


def test_no_row_is_in_two_splits(dataset: Dataset) -> None:
    hashes = [number for split in dataset.arrays.values() for number in _hashes(split)]
    assert len(hashes) == len(set(hashes)) == sum(split.rows for split in dataset.arrays.values())


def _classes(split: Split) -> np.ndarray:
    return split.y[:, 0].astype(int) if split.y.shape[1] == 1 else split.y.argmax(axis=1)


def test_targets_that_are_numbers_have_the_same_scale(dataset: Dataset) -> None:
    if dataset.classes:
        pytest.skip("its targets are classes")
    assert dataset.train.y.mean() == pytest.approx(0, abs=1e-6)
    assert dataset.train.y.std() == pytest.approx(1, abs=1e-6)
    for split in dataset.arrays.values():
        assert abs(split.y.mean()) < 0.2
        assert abs(split.y.std() - 1) < 0.2
    assert dataset.facts["target_std"] > 0
    assert "target_mean" in dataset.facts


def test_targets_name_one_class_each_and_every_split_has_every_class(dataset: Dataset) -> None:
    if not dataset.classes:
        pytest.skip("its targets are numbers")
    for split in dataset.arrays.values():
        assert split.y.shape[1] == len(dataset.classes) or (split.y.shape[1], len(dataset.classes)) == (1, 2)
        assert set(np.unique(split.y)) == {0.0, 1.0}
        assert split.y.shape[1] == 1 or (split.y.sum(axis=1) == 1).all()
    parts = {
        name: np.bincount(_classes(split), minlength=len(dataset.classes)) / split.rows
        for name, split in dataset.arrays.items()
    }
    for name, part in parts.items():
        assert (np.abs(part / parts["train"] - 1) < 0.2).all(), name


def test_it_is_the_same_every_time(dataset: Dataset) -> None:
    again = load(dataset.name)
    for name, split in dataset.arrays.items():
        other = again.arrays[name]
        for mine, theirs in zip(leaves((split.x, split.y)), leaves((other.x, other.y)), strict=True):
            assert np.array_equal(mine, theirs)


HOME = Path(pipeline.datasets.__file__).parent / "mnist"


def _idx(content: bytes, *shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape) + content


@pytest.mark.parametrize(
    ("split", "images", "labels"),
    [
        ("train", "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
        ("test", "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
    ],
)
def test_the_packaged_files_hold_the_originals(split: str, images: str, labels: str) -> None:
    """As IDX files, images and labels have the MD5 sums under which MNIST has been published for decades."""
    table = pq.read_table(HOME / f"{split}.parquet")
    pixels, digits = b"".join(table.column("image").to_pylist()), np.asarray(table.column("label")).tobytes()
    contents = {images: _idx(pixels, table.num_rows, 28, 28), labels: _idx(digits, table.num_rows)}
    for digest, content in contents.items():
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == digest
