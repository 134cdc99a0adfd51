"""A split that is read from Parquet files while a model trains, because it is larger than memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.datasets.column_arrays import Inputs, decode_categories, features as numbers, inputs, is_image
from pipeline.datasets.holdout import holdout_mask
from pipeline.datasets.parquet_files import ParquetFiles, RowGroup
from pipeline.datasets.row_arrays import one_hot
from pipeline.datasets.shuffle_buffer import Rows, batches, shuffle
from pipeline.errors import DataError


@dataclass(frozen=True)
class Stream:
    """The rows of a split in Parquet files. It can be pickled; files are opened when they are read."""

    files: ParquetFiles
    split: str
    inputs: tuple[str, ...]
    target: str
    classes: tuple[Any, ...]
    named: bool
    rows: int
    buffer: int

    def batches(self, size: int, seed: int | None = None) -> Iterator[tuple[Inputs, np.ndarray]]:
        """Read an epoch."""
        if seed is None:
            blocks = self._blocks(np.arange(len(self.files.groups)))
        else:
            generator = np.random.default_rng(seed)
            groups = generator.permutation(len(self.files.groups))
            blocks = shuffle(self._blocks(groups), min(self.buffer, self.rows), generator)
        for *columns, target in batches(blocks, size):
            yield self._joined(columns), target

    def first(self) -> Inputs:
        """The inputs of the first rows, of one row group."""
        return self._joined(next(self._blocks(np.arange(len(self.files.groups))))[:-1])

    @property
    def targets(self) -> int:
        """Numbers in a target."""
        if self.classes:
            return len(self.classes)
        table = self.files.table(self.files.groups[0], [self.target])
        return int(self._targets(table).shape[1])

    @property
    def images(self) -> list[str]:
        """Names of the columns that hold images."""
        schema = self.files.dataset.schema
        return [name for name in self.inputs if is_image(schema.field(name).type)]

    def description(self) -> dict[str, Any]:
        """What is recorded of it, as JSON values: `sha256` is that of the files' footers."""
        schema = self.files.dataset.schema
        elements = ", ".join(f"{name} ({schema.field(name).type})" for name in (*self.inputs, self.target))
        return {
            "elements": elements,
            "rows": self.rows,
            "files": len(self.files.paths),
            "buffer": self.buffer,
            "sha256": self.files.hash,
        }

    def _joined(self, arrays: Rows) -> Inputs:
        return arrays[0] if len(arrays) == 1 else dict(zip(self.inputs, arrays, strict=True))

    def _blocks(self, groups: np.ndarray) -> Iterator[Rows]:
        """Inputs and targets of the split's rows, one row group after the other."""
        shapes: list[tuple[int, ...]] = []
        for place in groups:
            table = self._table(self.files.groups[place])
            if table.num_rows:
                columns = inputs(table, self.inputs, self.files.data)
                arrays = [*(columns.values() if isinstance(columns, Mapping) else [columns]), self._targets(table)]
                shapes = shapes or [array.shape[1:] for array in arrays]
                if [array.shape[1:] for array in arrays] != shapes:
                    raise DataError(
                        f"Lists in a column of {self.files.data} have different lengths in some row groups; they must "
                        "all have the same length."
                    )
                yield arrays

    def _table(self, group: RowGroup) -> pa.Table:
        columns = [*self.inputs, self.target, *(["split"] if self.named else [])]
        table = self.files.table(group, columns)
        if self.named:
            mine = np.asarray(decode_categories(table.column("split")).to_pylist(), object) == self.split
        else:
            bits = self._held_out[group.first // 8 : -(-(group.first + group.rows) // 8)]
            held = np.unpackbits(bits)[group.first % 8 :][: group.rows].astype(bool)
            mine = held if self.split == "validation" else ~held
        return table.filter(pa.array(mine))

    @cached_property
    def _held_out(self) -> np.ndarray:
        return np.packbits(holdout_mask(self.files.rows))

    def _targets(self, table: pa.Table) -> np.ndarray:
        column = table.column(self.target)
        if column.null_count:
            raise DataError(
                f"Column {self.target!r} of {self.files.data} has {column.null_count} nulls; every row needs a target."
            )
        if not self.classes:
            return numbers(column, self.target, self.files.data)
        known = np.array(self.classes, object if isinstance(self.classes[0], str) else None)
        return one_hot(np.searchsorted(known, decode_categories(column).to_numpy()), len(known))

    def __getstate__(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}
