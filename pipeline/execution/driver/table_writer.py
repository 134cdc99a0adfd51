"""Rows of epochs and decisions → Parquet parts, and at the end of a session one file a table.

A flush writes one part a table, and the table `trials`, which is derived from the two others.
"""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.engine.decision_rows import DecisionRow
from pipeline.engine.messages import EpochRow
from pipeline.errors import StorageError
from pipeline.execution.driver.derived_trials import DerivedTrials
from pipeline.execution.driver.earlier_rows import EarlierRows
from pipeline.execution.driver.metric_columns import MetricColumns
from pipeline.execution.driver.session_file import SessionFile
from pipeline.results.tables.by_trials import TablesByTrials
from pipeline.results.tables.clean_tables import Tables, newest_checkpoints, read_tables
from pipeline.results.tables.trials_derivation import derive_trials
from pipeline.results.tables.unique_rows import trial_ids, trial_positions, whole_numbers
from pipeline.space import Config, column_value, flat
from pipeline.storage import Store
from pipeline.storage.schema import MEASURES, SCHEMA_VERSION, arrow_schema
from pipeline.study import TuneJob, layout

_ROW = tuple(field.name for field in fields(EpochRow))
_DECISION = tuple(field.name for field in fields(DecisionRow))


class TableWriter:
    """Writes the tables of one study, for one driver session."""

    def __init__(self, store: Store, job: TuneJob, file: SessionFile, *, decided_before: int = 0) -> None:
        self._store, self._job, self._file = store, job, file
        self._document = {"schema_version": SCHEMA_VERSION, "job": job.to_json()}
        self.decision_count = decided_before
        """How many decisions the study has made."""
        self._parts = 0
        self._epoch_rows: list[dict[str, Any]] = []
        self._decision_rows: list[dict[str, Any]] = []
        before = read_tables(store, self._document)
        self._check_sessions(before)
        self._take(before)
        self._columns = MetricColumns(before.epochs.schema)
        for index, objective in enumerate(job.objectives):
            # A measure has its column already; a metric of that name gets its own when a model reports it.
            if not (index and objective.metric in MEASURES):
                self._columns.add([objective.metric])
        types = arrow_schema("epochs", flat(job.space))
        self._config_types = {
            name.removeprefix("config_"): types.field(name).type for name in types.names if name.startswith("config_")
        }

    def add_epochs(self, trial_id: str, config: Config, rows: Iterable[EpochRow]) -> None:
        """Take epochs of a trial for the next part; those that an earlier session has recorded are skipped."""
        values = {f"config_{name}": column_value(value, self._config_types[name]) for name, value in config.items()}
        for row in rows:
            fields = {name: getattr(row, name) for name in _ROW}
            reported = fields.pop("metrics")
            self._columns.add(reported)
            metrics = {self._columns.of(name): value for name, value in reported.items()}
            moment = datetime.fromtimestamp(fields.pop("time"), UTC)
            if (row.epoch, row.attempt, moment) in self._earlier.of(trial_id):
                continue
            known = {"study": self._job.name, "session": self._file.number, "trial_id": trial_id, "time": moment}
            self._epoch_rows.append({**known, **fields, **values, **metrics})

    def add_decision(self, row: DecisionRow) -> None:
        """Take a decision for the next part."""
        self.decision_count += 1
        fields = {name: getattr(row, name) for name in _DECISION}
        for name in ("config_before", "config_after"):
            fields[name] = None if fields[name] is None else json.dumps(fields[name])
        known = {
            "study": self._job.name,
            "session": self._file.number,
            "number": self.decision_count,
            "time": datetime.now(UTC),
        }
        self._decision_rows.append({**known, **fields})

    def flush(self, checkpoints: Mapping[str, str] | None = None) -> None:
        """Write a part of each table that has new rows, and the derived table of trials."""
        # A driver that is held up between two writes, as by a storage that does not answer, may be replaced meanwhile.
        self._file.check()
        # The number counts when both tables are written: a part that was cut off is written again, in full.
        number = self._parts + 1
        epochs = self._write("epochs", self._epoch_rows, number)
        decisions = self._write("decisions", self._decision_rows, number)
        self._parts = number
        self._epoch_rows, self._decision_rows = [], []
        self._trials.add(epochs, decisions, checkpoints or {})
        self._file.check_again()
        self._store.write_table(layout.TRIALS, self._trials.table)

    def drop_unreported(self, reported: Mapping[str, int]) -> None:
        """Delete epochs of earlier sessions that the study's state does not have.

        A driver that was killed while it wrote may have left them. From that state the trial may take another course,
        and its number may be that of another trial; what a checkpoint holds of them is reported and written again.
        """
        if not self._earlier.exceed(reported):
            return
        whole = read_tables(self._store, self._document)
        ids = trial_ids(whole.epochs["trial_id"])
        last = np.array([reported.get(trial, 0) for trial in ids.to_pylist()], np.int64)
        beyond = whole_numbers(whole.epochs["epoch"]) > last[trial_positions(whole.epochs["trial_id"], ids)]
        epochs = whole.epochs.filter(pa.array(~beyond))
        self._replace("epochs", epochs.schema, [epochs], epochs.num_rows)
        checkpoints = newest_checkpoints(self._store.files("checkpoints"))
        derived = derive_trials(epochs, whole.decisions, study=self._document, checkpoints=checkpoints)
        self._take(Tables(derived, epochs, whole.decisions))

    def compact(self) -> None:
        """Replace the parts by one file a table."""
        try:
            self._compact_all()
        except FileNotFoundError as error:
            # Another driver that has taken over deletes the parts that this one reads.
            self._file.check()
            raise StorageError(f"Cannot read the tables of {self._store.uri}: {error}") from error
        except StorageError:
            self._file.check()
            raise

    def _compact_all(self) -> None:
        whole, derived = TablesByTrials(self._store, self._document), list[pa.Table]()

        def noted(tables: tuple[pa.Table, pa.Table]) -> pa.Table:
            rows, trials = tables
            derived.append(trials)
            return rows

        # No turn's rows are kept while the next ones are read.
        epochs = map(noted, whole)
        self._compact("epochs", whole.schema, epochs, whole.count)
        # Those of epochs that are one file already were not read.
        deque(epochs, maxlen=0)
        self._compact("decisions", whole.decisions.schema, [whole.decisions], whole.decisions.num_rows)
        self._file.check_again()
        self._store.write_table(layout.TRIALS, pa.concat_tables(derived))

    def _take(self, before: Tables) -> None:
        """Continue after the rows of earlier sessions."""
        self._trials, self._earlier = DerivedTrials(self._document, before), EarlierRows(before.epochs)

    def _check_sessions(self, before: Tables) -> None:
        """Refuse rows of a session without a file: its scheduler's state is gone, and new rows would not count."""
        newest = max(pc.max(table["session"]).as_py() or 0 for table in (before.epochs, before.decisions))
        if newest >= self._file.number:
            raise StorageError(
                f"The tables of {self._store.uri} have rows of session {newest}, and sessions/ has no file of that "
                "number. The scheduler's state is lost with it: restore the file from a copy, or start a new study."
            )

    def _write(self, name: str, rows: list[dict[str, Any]], number: int) -> pa.Table:
        schema = arrow_schema(name, flat(self._job.space), self._columns.fields())
        part = pa.Table.from_pylist(rows, schema)
        if rows:
            self._file.check_again()
            self._store.write_table(layout.part(name, self._file.number, number), part)
        return part

    def _compact(self, name: str, schema: pa.Schema, rows: Iterable[pa.Table], count: int) -> None:
        """Write a table's rows as one file, unless there are none, or they are one file."""
        parts = [path for path in self._store.files(name) if layout.names(path)]
        if count and parts != [layout.compacted(name, self._file.number)]:
            self._replace(name, schema, rows, count)

    def _replace(self, name: str, schema: pa.Schema, rows: Iterable[pa.Table], count: int) -> None:
        """Write a table's rows as one file, and delete its other parts."""
        # Listed before the check: a driver that takes over later has its own parts, which stay.
        parts = [path for path in self._store.files(name) if layout.names(path)]
        self._file.check()
        whole = layout.compacted(name, self._file.number)
        if count:
            self._store.write_tables(whole, schema, rows)
        replaced = [path for path in parts if path != whole or not count]
        self._store.delete_all(replaced, self._file.check_again)
