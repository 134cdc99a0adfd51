"""The conversion of MNIST into Parquet."""

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.code import load_module

_ROOT = Path(__file__).parents[2]
_SCRIPT = _ROOT / "scripts" / "convert_mnist.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    return load_module(_SCRIPT)


def _idx(content: bytes, *shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape) + content


@pytest.mark.parametrize(("split", "prefix", "rows"), [("train", "train", 60_000), ("test", "t10k", 10_000)])
def test_the_packaged_files_hold_the_originals(script: ModuleType, split: str, prefix: str, rows: int) -> None:
    """Converted back to IDX files, the packaged images and labels have the originals' checksums."""
    table = pq.read_table(script.HOME / f"{split}.parquet")
    images = _idx(b"".join(table.column("image").to_pylist()), rows, 28, 28)
    labels = _idx(np.asarray(table.column("label")).tobytes(), rows)
    for content, kind in ((images, "images-idx3"), (labels, "labels-idx1")):
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert digest == script.ORIGINALS[f"{prefix}-{kind}-ubyte"]


def test_arrays_come_out_of_idx_and_into_parquet(script: ModuleType) -> None:
    """The Parquet columns have the shape, order and values of an IDX file of bytes."""
    pixels = np.arange(24, dtype=np.uint8)
    images = script.idx(_idx(pixels.tobytes(), 4, 2, 3))
    labels = script.idx(_idx(bytes([3, 1, 4, 1]), 4))
    table = script.table(images, labels)
    assert table.column("image").to_pylist() == [bytes(range(i, i + 6)) for i in range(0, 24, 6)]
    assert table.column("label").to_pylist() == [3, 1, 4, 1]


def test_another_kind_of_idx_file_is_refused(script: ModuleType) -> None:
    """An IDX file of anything but unsigned bytes ends the script with the type found."""
    with pytest.raises(SystemExit, match="Not an IDX file of unsigned bytes"):
        script.idx(b"\0\0\x0d\x01\0\0\0\0")


def test_a_missing_or_changed_original_is_refused(tmp_path: Path) -> None:
    """The script writes nothing unverified, and reports which original is wrong and how."""
    command = [sys.executable, str(_SCRIPT), str(tmp_path), "--to", str(tmp_path / "out")]
    missing = subprocess.run(command, capture_output=True, text=True, check=False)
    assert missing.returncode == 1
    assert "train-images-idx3-ubyte.gz is missing" in missing.stderr
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(_idx(bytes(784), 1, 28, 28)))
    changed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert changed.returncode == 1
    assert "is not the original: it unpacks to MD5" in changed.stderr
    assert list((tmp_path / "out").iterdir()) == []
