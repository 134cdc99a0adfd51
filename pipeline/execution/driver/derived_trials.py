"""The table `trials` of a running study, kept up to date: only rows of changed trials are derived again."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.tables.clean_tables import Tables
from pipeline.results.tables.trials_derivation import derive_trials, epoch_columns
from pipeline.results.tables.unique_rows import clean_decisions, clean_epochs, trial_ids, trial_positions

_ENDED = pa.array(["completed", "stopped", "failed"])


class DerivedTrials:
    """The rows from which the table is derived, and the table.

    The rows of a trial that ends are dropped: it gets no more in this session.
    """

    def __init__(self, study: Mapping[str, Any], before: Tables) -> None:
        self._study, self._columns = study, epoch_columns(study)
        self._epochs, self._decisions, self.table = self._select(before.epochs), before.decisions, before.trials
        self._checkpoints = dict(
            zip(*(self.table[name].to_pylist() for name in ("trial_id", "checkpoint")), strict=True)
        )
        self._decided = False

    def add(self, epochs: pa.Table, decisions: pa.Table, checkpoints: Mapping[str, str]) -> None:
        """Take new rows."""
        self._epochs = _joined(self._epochs, self._select(epochs))
        self._decisions = _joined(self._decisions, decisions)
        changed = trial_ids(epochs["trial_id"], decisions["trial_id"])
        if not self._decided and decisions.num_rows:
            # The first decision of a session shows which ones of the session before are obsolete.
            self._decided, self._decisions = True, clean_decisions(self._decisions)
            changed = trial_ids(self._epochs["trial_id"], self._decisions["trial_id"])
        self._checkpoints |= checkpoints
        rows = clean_epochs(_of(self._epochs, changed)), clean_decisions(_of(self._decisions, changed))
        derived = derive_trials(*rows, study=self._study)
        whole = pa.concat_tables([_of(self.table, changed, others=True), derived])
        ids = trial_ids(whole["trial_id"])
        whole = whole.take(pc.sort_indices(pa.array(trial_positions(whole["trial_id"], ids))))
        place = whole.schema.get_field_index("checkpoint")
        paths = pa.array([self._checkpoints.get(trial_id) for trial_id in ids.to_pylist()], pa.string())
        self.table = whole.set_column(place, whole.schema.field(place), paths)
        if not self._decided:
            return
        ended = derived.filter(pc.is_in(derived["state"], _ENDED))["trial_id"].combine_chunks()
        self._epochs, self._decisions = (
            _of(table, ended, others=True).combine_chunks() for table in (self._epochs, self._decisions)
        )

    def _select(self, epochs: pa.Table) -> pa.Table:
        return epochs.select([name for name in self._columns if name in epochs.column_names])


def _joined(table: pa.Table, more: pa.Table) -> pa.Table:
    return pa.concat_tables([table, more], promote_options="permissive")


def _of(table: pa.Table, trials: pa.Array, *, others: bool = False) -> pa.Table:
    """The rows of some trials, or those of all other trials."""
    among = pc.is_in(table["trial_id"], value_set=trials)
    return table.filter(pc.invert(among) if others else among)
