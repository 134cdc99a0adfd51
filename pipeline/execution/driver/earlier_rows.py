"""The epochs that earlier sessions have recorded: checkpoints contain them again, and they are recorded once."""

from collections.abc import Mapping, Set
from datetime import datetime

import numpy as np
import pyarrow as pa

from pipeline.results.tables.unique_rows import trial_ids, trial_positions

_Row = tuple[int, int, datetime]


class EarlierRows:
    """Finds the rows of a trial; each trial's rows are read when they are asked for."""

    def __init__(self, epochs: pa.Table) -> None:
        self._rows = epochs.select(["epoch", "attempt", "time"])
        ids = trial_ids(epochs["trial_id"])
        # Where the rows of each trial begin, and where the last one's end.
        self._bounds = np.searchsorted(trial_positions(epochs["trial_id"], ids), np.arange(len(ids) + 1)).tolist()
        self._position = {trial_id: position for position, trial_id in enumerate(ids.to_pylist())}
        self._known: dict[str, Set[_Row]] = {}

    def exceed(self, reported: Mapping[str, int]) -> bool:
        """Whether there are epochs beyond those that a study's state has."""
        last = self._rows["epoch"].take(pa.array([end - 1 for end in self._bounds[1:]], pa.int64())).to_pylist()
        return any(epoch > reported.get(trial, 0) for trial, epoch in zip(self._position, last, strict=True))

    def of(self, trial_id: str) -> Set[_Row]:
        """The epoch, the attempt and the time of each row of a trial."""
        if trial_id not in self._position:
            return frozenset()
        if trial_id not in self._known:
            start, end = self._bounds[self._position[trial_id] : self._position[trial_id] + 2]
            rows = self._rows.slice(start, end - start).to_pylist()
            self._known[trial_id] = {(row["epoch"], row["attempt"], row["time"]) for row in rows}
        return self._known[trial_id]
