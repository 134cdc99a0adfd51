"""The packaged MNIST is the original ("The MNIST database of handwritten digits", LeCun, Cortes and Burges)."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import pipeline.datasets

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
