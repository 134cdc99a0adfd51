"""Convert MNIST from its four gzipped IDX files into the two Parquet files that are part of the package.

    python scripts/convert_mnist.py FOLDER [--to pipeline/datasets/mnist]

FOLDER holds train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and
t10k-labels-idx1-ubyte.gz (LeCun, Cortes and Burges, "The MNIST database of handwritten digits").
"""

import argparse
import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ORIGINALS = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""The MD5 sums of the unpacked files, under which MNIST has been published for decades."""

HOME = Path(__file__).parent.parent / "pipeline" / "datasets" / "mnist"


def unpacked(folder: Path, name: str) -> bytes:
    """The content of an original, verified."""
    path = folder / f"{name}.gz"
    if not path.is_file():
        sys.exit(f"{path} is missing; {folder} must hold {', '.join(f'{known}.gz' for known in ORIGINALS)}.")
    content = gzip.decompress(path.read_bytes())
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != ORIGINALS[name]:
        sys.exit(f"{path} is not the original: it unpacks to MD5 {found}, not {ORIGINALS[name]}.")
    return content


def idx(content: bytes) -> np.ndarray:
    """The array in an IDX file of unsigned bytes: zeros, type 8, dimensions, sizes (big-endian), data."""
    if content[:3] != b"\0\0\x08":
        sys.exit(f"Not an IDX file of unsigned bytes: it starts with {content[:4]!r}.")
    shape = np.frombuffer(content, ">u4", content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def table(images: np.ndarray, labels: np.ndarray) -> pa.Table:
    """Images as 784 bytes each, row by row from the top left; labels as whole numbers from 0 to 9."""
    pixels = images.shape[1] * images.shape[2]
    image = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(pixels), len(images), [None, pa.py_buffer(np.ascontiguousarray(images))]
    )
    return pa.table({"image": image, "label": pa.array(labels, pa.uint8())})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Convert MNIST's IDX files into Parquet.")
    parser.add_argument("folder", type=Path, help="where the four .gz files lie")
    parser.add_argument("--to", type=Path, default=HOME, help="where the Parquet files go")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images = idx(unpacked(arguments.folder, f"{prefix}-images-idx3-ubyte"))
        labels = idx(unpacked(arguments.folder, f"{prefix}-labels-idx1-ubyte"))
        # No dictionary: images never repeat, and looking for repetitions would cost a pass over the data.
        form = {"compression": "zstd", "compression_level": 19, "use_dictionary": False, "row_group_size": len(images)}
        pq.write_table(table(images, labels), arguments.to / f"{split}.parquet", **form)
