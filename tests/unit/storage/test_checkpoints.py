"""Checkpoints as files."""

import hashlib
import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import DamagedFile
from pipeline.storage import Checkpoint, pack, unpack

_ADDED = [np.dtype(t) for t in (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4)]
_NATIVE = [np.dtype(t) for t in ("f2", "f4", ">f4", "f8", "i1", "i8", "u4", "?", "c8", "S3", "U2")]
_HEADER = {"trial": "0001", "epoch": 3, "callbacks": {"best": float("inf"), "wait": [1, None, "ö"]}}


def _file(*arrays: np.ndarray, header: dict | None = None) -> bytes:
    return b"".join(pack(Checkpoint(_HEADER if header is None else header, arrays)))


def _signed(header: bytes, body: bytes = b"") -> bytes:
    length = len(header).to_bytes(8, "little")
    return b"tunepipe" + length + hashlib.blake2b(length + header + body, digest_size=32).digest() + header + body


@st.composite
def _arrays(draw: st.DrawFn) -> np.ndarray:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    if draw(st.booleans()):
        return draw(hnp.arrays(draw(st.sampled_from(_NATIVE)), shape))
    return draw(hnp.arrays(np.float32, shape, elements=st.floats(-7, 7, width=32))).astype(
        draw(st.sampled_from(_ADDED))
    )


@given(arrays=st.lists(_arrays(), max_size=4))
def test_everything_comes_back_as_it_was(arrays: list[np.ndarray]) -> None:
    read = unpack(_file(*arrays), "a.ckpt")
    assert read.header == _HEADER
    assert [(a.dtype, a.shape, a.tobytes()) for a in read.arrays] == [(a.dtype, a.shape, a.tobytes()) for a in arrays]


def test_every_flipped_bit_is_found() -> None:
    content = _file(np.arange(3, dtype=np.float32), header={"epoch": 1})
    for place in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(DamagedFile, match=r"a\.ckpt"):
            unpack(bytes(damaged), "a.ckpt")


def test_every_cut_is_found() -> None:
    content = _file(np.arange(3, dtype=np.float32), header={"epoch": 1})
    for damaged in [*(content[:end] for end in range(len(content))), content + b" "]:
        with pytest.raises(DamagedFile):
            unpack(damaged, "a.ckpt")


_ARRAYS = [
    [], [("O", [1])], [("V4", [1])], [("finfo", [1])], [("f4", [10**30])], [("f4", [-1]), ("f4", [2])], [("f4", [0.5])],
]  # fmt: skip
_ENTRIES = [3, *([{"dtype": dtype, "shape": shape} for dtype, shape in arrays] for arrays in _ARRAYS)]
_DESCRIBED = [json.dumps({"header": {}, "arrays": entries}).encode() for entries in _ENTRIES]


@pytest.mark.parametrize(
    "header", [b"", b"[" * 100_000, b"\xff", b"[]", b"{}", b'{"header": [], "arrays": []}', *_DESCRIBED]
)
def test_a_wrong_header_is_found_though_its_checksum_is_right(header: bytes) -> None:
    with pytest.raises(DamagedFile):
        unpack(_signed(header, b"1234"), "a.ckpt")


def test_a_file_of_the_documented_form_is_read() -> None:
    header = {"header": {"epoch": 1}, "arrays": [{"dtype": "<f4", "shape": [1, 2]}]}
    read = unpack(_signed(json.dumps(header).encode(), np.array([1.5, -2], "<f4").tobytes()), "a.ckpt")
    assert (read.header, [array.tolist() for array in read.arrays]) == ({"epoch": 1}, [[[1.5, -2.0]]])


@pytest.mark.parametrize("array", [np.array([{}], dtype=object), np.zeros(1, [("a", "i4")]), np.zeros(1, "M8[s]")])
def test_objects_are_not_written(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="cannot be written"):
        pack(Checkpoint({}, [array]))


def test_arrays_are_not_copied() -> None:
    array = np.arange(4.0)
    pieces = pack(Checkpoint({}, [array]))
    assert np.shares_memory(np.frombuffer(pieces[-1], np.float64), array)
