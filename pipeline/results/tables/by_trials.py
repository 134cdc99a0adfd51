"""The clean tables of a study, read some trials at a time: of a large study, all rows take hundreds of megabytes."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.tables.clean_tables import columns_of_now, fitted_rows, newest_checkpoints, stored_rows
from pipeline.results.tables.column_check import check_columns
from pipeline.results.tables.stored_space import parameters_of
from pipeline.results.tables.trials_derivation import derive_trials
from pipeline.results.tables.unique_rows import clean_decisions, clean_epochs, trial_ids, trial_positions
from pipeline.storage import Store
from pipeline.storage.metric_column import column_of, metric_names
from pipeline.storage.schema import KEYS, MEASURES, arrow_schema

_VALUES = 3_000_000
"""Values of `epochs` in memory at a time, about: 24 MB of numbers, 120,000 rows of 25 columns."""


class TablesByTrials:
    """The tables that `read_tables` makes from a study's parts, `epochs` and `trials` some trials at a time."""

    def __init__(self, store: Store, study: Mapping[str, Any], *, values: int = _VALUES) -> None:
        self._study, self._space, self._uri = study, parameters_of(study), store.uri
        self.decisions = clean_decisions(stored_rows(store, "decisions", self._space))
        """As `Tables` has them."""
        self._checkpoints = newest_checkpoints(store.files("checkpoints"))
        self._parts = store.parts("epochs")
        self.schema = self._fitted().schema
        """The schema of `epochs`."""
        keys, bounds = self._keys()
        self.count = keys.num_rows
        """The number of rows of `epochs`, those included that `read_tables` drops."""
        self._filled = self._filled_columns(keys)
        self._ids = trial_ids(keys["trial_id"], self.decisions["trial_id"])
        at = trial_positions(keys["trial_id"], self._ids)
        rows = np.bincount(at, minlength=len(self._ids))
        # Trials that follow each other are read in the same turn, up to so many rows.
        self._turn = (np.cumsum(rows) - rows) // max(values // len(self.schema), 1)
        self._turns = [set(self._turn[at[start:end]].tolist()) for start, end in pairwise(bounds)]

    def __iter__(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Read all trials, some in each turn; there is at least one turn."""
        return map(self._of_turn, np.unique(self._turn).tolist() or [0])

    def _of_turn(self, turn: int) -> tuple[pa.Table, pa.Table]:
        ids = self._ids.filter(pa.array(self._turn == turn))
        groups = [group for group, turns in zip(self._parts.groups, self._turns, strict=True) if turn in turns]
        rows = [_of(part, ids) for group in groups for part in self._parts.rows(group)]
        epochs = clean_epochs(self._fitted(*rows))
        derived = derive_trials(
            epochs,
            _of(self.decisions, ids),
            study=self._study,
            checkpoints=self._checkpoints,
            has_values=self._filled.__contains__,
        )
        return epochs, derived

    def _keys(self) -> tuple[pa.Table, list[int]]:
        """The columns of all rows that are needed together, checked; and where the rows of each group begin and end."""
        columns = [name for name in self._parts.empty.column_names if name in {*KEYS["epochs"], *self._measured()}]
        rows, bounds = [self._parts.empty.select(columns)], [0]
        for group in self._parts.groups:
            own = list(self._parts.rows(group, columns))
            rows += own
            bounds.append(bounds[-1] + sum(part.num_rows for part in own))
        schema = arrow_schema("epochs", self._space)
        if not self._parts.groups:
            return schema.empty_table(), bounds
        return check_columns(pa.concat_tables(rows, promote_options="permissive"), "epochs", schema), bounds

    def _measured(self) -> list[str]:
        """The metrics' columns of objectives that may also be measured."""
        names = metric_names(self.schema)
        metrics = [objective["metric"] for objective in self._study["job"]["objectives"]]
        return [column_of(metric, names) for metric in metrics if metric in MEASURES]

    def _filled_columns(self, keys: pa.Table) -> set[str]:
        """Those of them with a value."""
        measured = [name for name in self._measured() if name in keys.column_names]
        clean = clean_epochs(keys) if measured else keys
        return {name for name in measured if clean[name].null_count < clean.num_rows}

    def _fitted(self, *rows: pa.Table) -> pa.Table:
        whole = pa.concat_tables([self._parts.empty, *rows], promote_options="permissive")
        return columns_of_now(fitted_rows(whole, "epochs", self._space, self._uri), self._study)


def _of(table: pa.Table, trials: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table["trial_id"], value_set=trials))
