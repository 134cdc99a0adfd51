"""Checkpoints as files: raw arrays behind a JSON header, with a checksum over all of it.

    magic (8 bytes) | header length (8 bytes, little-endian) | BLAKE2b of length, header and arrays (32 bytes)
    | header | arrays

Nothing is pickled, so nothing in a checkpoint can run, and raw bytes are written and read at the disk's speed.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from pipeline.errors import DamagedFile

_MAGIC = b"tunepipe"
_DIGEST = 32
_KINDS = "biufcSU"  # NumPy's letters for booleans, integers, floats, complex numbers and text
_ADDED = 2  # dtype.isbuiltin of types that another package added to NumPy
_START = len(_MAGIC) + 8 + _DIGEST


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a trial needs to continue."""

    header: Mapping[str, Any]
    arrays: Sequence[np.ndarray]


def is_storable(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of a type can be part of a checkpoint: numbers, booleans and text."""
    return dtype.kind in _KINDS or dtype.isbuiltin == _ADDED


def pack(checkpoint: Checkpoint) -> list[bytes | memoryview]:
    """Convert a checkpoint to the content of a file, without a copy of the arrays."""
    arrays = [np.asarray(array) for array in checkpoint.arrays]
    layout = [{"dtype": _name(array.dtype), "shape": array.shape} for array in arrays]
    header = json.dumps({"header": checkpoint.header, "arrays": layout}).encode()
    flat: list[Any] = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    pieces = [memoryview(array.view(np.uint8)) if array.nbytes else b"" for array in flat]
    length = len(header).to_bytes(8, "little")
    digest = hashlib.blake2b(length + header, digest_size=_DIGEST)
    for piece in pieces:
        digest.update(piece)
    return [_MAGIC + length + digest.digest(), header, *pieces]


def unpack(content: bytes, name: str) -> Checkpoint:
    length_bytes = content[len(_MAGIC) : len(_MAGIC) + 8]
    length = int.from_bytes(length_bytes, "little")
    if not content.startswith(_MAGIC):
        raise DamagedFile(f"{name} is not a checkpoint.")
    body = memoryview(content)[_START:]
    digest = hashlib.blake2b(length_bytes, digest_size=_DIGEST)
    digest.update(body)
    if digest.digest() != content[_START - _DIGEST : _START]:
        raise DamagedFile(f"The checksum of {name} does not match its content.")
    try:
        return _read(body, length)
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, MemoryError) as error:
        raise DamagedFile(f"The header of {name} is not a checkpoint's: {error}") from None


def _read(body: memoryview, length: int) -> Checkpoint:
    header = json.loads(bytes(body[:length]))
    arrays, offset = [], length
    for entry in header["arrays"]:
        dtype, shape = _dtype(entry["dtype"]), tuple(entry["shape"])
        size = math.prod(shape) * dtype.itemsize
        if any(rows < 0 for rows in shape):
            raise ValueError(f"it names the shape {shape}")
        arrays.append(
            np.frombuffer(body[offset : offset + size], dtype).reshape(shape) if size else np.zeros(shape, dtype)
        )
        offset += size
    if offset != len(body):
        raise ValueError("its arrays are not what follows it")
    if not isinstance(header["header"], dict):
        raise ValueError("it is not an object")
    return Checkpoint(header["header"], arrays)


def _name(dtype: np.dtype[Any]) -> str:
    if not is_storable(dtype):
        raise TypeError(f"an array of dtype {dtype} cannot be written")
    # NumPy's short names lose the types that ml_dtypes adds: bfloat16 would come back as two raw bytes.
    return dtype.name if dtype.isbuiltin == _ADDED else dtype.str


def _dtype(name: str) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name, name))
    if not dtype.itemsize or not is_storable(dtype):
        raise ValueError(f"it names the dtype {name}")
    return dtype
