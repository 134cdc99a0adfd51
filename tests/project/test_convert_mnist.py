"""The packaged MNIST is the original."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.code.modules import load_module

SCRIPT = load_module(Path(__file__).parents[2] / "scripts/convert_mnist.py")


def _idx(content: bytes, *shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape) + content


@pytest.mark.parametrize(("split", "prefix", "rows"), [("train", "train", 60_000), ("test", "t10k", 10_000)])
def test_the_packaged_files_hold_the_originals(split: str, prefix: str, rows: int) -> None:
    """Converted back to IDX files, the packaged images and labels have the originals' checksums."""
    table = pq.read_table(SCRIPT.HOME / f"{split}.parquet")
    images = _idx(b"".join(table.column("image").to_pylist()), rows, 28, 28)
    labels = _idx(np.asarray(table.column("label")).tobytes(), rows)
    for content, kind in ((images, "images-idx3"), (labels, "labels-idx1")):
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert digest == SCRIPT.ORIGINALS[f"{prefix}-{kind}-ubyte"]
