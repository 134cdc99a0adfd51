"""Rows in a random order without all of them in memory: a buffer, and batches of a fixed size."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

Rows: TypeAlias = Sequence[np.ndarray]
"""Arrays of the same rows, such as inputs and targets."""

_PIECE = 4096
"""Rows that leave the buffer together."""


def shuffle(blocks: Iterable[Rows], capacity: int, generator: np.random.Generator) -> Iterator[Rows]:
    """Shuffle rows: each row that comes in takes the place of a random row of a full buffer, which goes out."""
    buffer = list[np.ndarray]()
    filled = 0
    for block in blocks:
        if not buffer:
            buffer = [np.empty((capacity, *array.shape[1:]), array.dtype) for array in block]
        start, rows = 0, len(block[0])
        while start < rows:
            size = min(rows - start, capacity - filled or min(_PIECE, capacity))
            full = filled == capacity
            places = generator.choice(capacity, size, replace=False) if full else slice(filled, filled + size)
            out = [array[places] for array in buffer] if full else []
            for array, new in zip(buffer, block, strict=True):
                array[places] = new[start : start + size]
            filled, start = min(capacity, filled + (0 if full else size)), start + size
            if out:
                yield out
    order = generator.permutation(filled)
    for start in range(0, filled, _PIECE):
        yield [array[order[start : start + _PIECE]] for array in buffer]


def batches(blocks: Iterable[Rows], size: int) -> Iterator[Rows]:
    """The rows in batches; the last batch has the rows that are left."""
    rest: Rows = []
    for block in blocks:
        rows = [np.concatenate(pair) for pair in zip(rest, block, strict=True)] if rest else block
        whole = len(rows[0]) // size * size
        for start in range(0, whole, size):
            yield [array[start : start + size] for array in rows]
        rest = [array[whole:] for array in rows] if whole < len(rows[0]) else []
    if rest:
        yield rest
