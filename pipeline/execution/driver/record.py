"""The one writer of a study: its tables and its session's file.

A flush writes a part of each table that has new rows, then the session's file with the state of the study and the
number of parts. What a driver that is killed has written beyond that does not exist, and the next session deletes it.
"""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipeline.engine.messages import EpochRow
from pipeline.engine.trial import DecisionRow
from pipeline.errors import ModelError, StorageError
from pipeline.space import Config, column_value, flat
from pipeline.storage import Store, layout
from pipeline.storage.schema import (
    MEASURES,
    SCHEMA_VERSION,
    arrow_schema,
    metric_column,
    metric_columns,
    parquet_bytes,
)
from pipeline.storage.sessions import BEAT_SECONDS, Lease, SessionRecord, SessionState, TableFiles
from pipeline.storage.tables import (
    clean,
    derive_trials,
    newest_checkpoints,
    read_rows,
    scored_columns,
    table_paths,
)
from pipeline.study import TuneJob
from pipeline.text import without_keys

_TABLES = ("epochs", "decisions")

_TRIALS_SECONDS, _TRIALS_FACTOR = 60.0, 100.0
"""The table `trials` is stored no more often than that, and than this multiple of the time that it took last."""

_BATCH = 131_072
"""Rows of a group in a table's single file."""


class Recorder:
    def __init__(
        self,
        store: Store,
        job: TuneJob,
        *,
        session: int,
        last: SessionRecord | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._store, self._job = store, job
        self._study = {"schema_version": SCHEMA_VERSION, "job": job.to_json()}
        self.lease = Lease(store, session, seconds_before=last.seconds if last else 0.0)
        self._facts = facts or {}
        self.workers: int | None = None
        """How many workers train in parallel."""
        self._nodes: dict[str, Mapping[str, Any]] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {table: [] for table in _TABLES}
        committed = last.tables if last else {}
        self._files = {table: committed.get(table, TableFiles()) for table in _TABLES}
        self._refuse_rows_without_session()
        before = {table: read_rows(store, table, self._study, committed) for table in _TABLES}
        self._copied = before if last is not None and last.state == "running" else {}
        """Rows of which the driver of the last session, if it lives after all, may still delete the files."""
        self._schemas = {"decisions": arrow_schema("decisions", {})}
        self._metrics = set(metric_columns(before["epochs"].column_names))
        """The columns of metrics, over all sessions."""
        # A measure has its column already; a metric of that name gets its own when a model reports it.
        own = [one.metric for index, one in enumerate(job.objectives) if not (index and one.metric in MEASURES)]
        self._add_metrics(map(metric_column, own))
        # What the table `trials` is derived from.
        self._derived_from = {"epochs": [self._selected(before["epochs"])], "decisions": [before["decisions"]]}
        self._derived_at, self._derived_in = time.monotonic(), 0.0
        self._committed: tuple[Mapping[str, TableFiles], str] = ({}, "{}")
        self._beat_at = time.monotonic()
        self._publishing, self._silent = threading.Lock(), False

    def add_epochs(self, trial_id: str, config: Config, rows: Iterable[EpochRow]) -> None:
        """Take epochs of a trial for the next part."""
        types = self._schemas["epochs"]
        values = {
            f"config_{name}": column_value(value, types.field(f"config_{name}").type) for name, value in config.items()
        }
        for row in rows:
            fields: dict[str, Any] = {**row}
            reported = fields.pop("metrics")
            metrics = {metric_column(name): value for name, value in reported.items()}
            if len(metrics) < len(reported):
                raise ModelError(f"Of the metrics {', '.join(reported)}, two have the same column. Rename one of them.")
            self._add_metrics(metrics)
            moment = datetime.fromtimestamp(fields.pop("time"), UTC)
            of_trial = {"study": self._job.name, "session": self.lease.number, "trial_id": trial_id, "time": moment}
            self._rows["epochs"].append({**of_trial, **fields, **values, **metrics})

    def add_decision(self, row: DecisionRow) -> None:
        fields = asdict(row)
        for name in ("config_before", "config_after"):
            fields[name] = None if fields[name] is None else json.dumps(fields[name])
        of_study = {"study": self._job.name, "session": self.lease.number, "time": datetime.now(UTC)}
        self._rows["decisions"].append({**of_study, **fields})

    def add_node(self, facts: Mapping[str, Any]) -> None:
        self._nodes[str(facts["host"])] = facts

    def begin(self, state: str) -> None:
        """Take the session's number: from now on the study is this driver's. Then delete what is not committed."""
        self._commit(state)
        if self._copied:
            for table, rows in self._copied.items():
                self._write_whole(table, rows)
            self._copied = {}
            self._commit()
        for table in _TABLES:
            self._drop_others(table)

    def flush(self, state: str) -> None:
        """Write the new rows, then the state and the heartbeat."""
        self._write_rows()
        self._commit(state)
        since = time.monotonic() - self._derived_at
        if since >= max(_TRIALS_SECONDS, _TRIALS_FACTOR * self._derived_in):
            self._write_trials()

    def beat(self) -> None:
        """Write the heartbeat if that is due: a flush may be far off."""
        if self.lease.taken and time.monotonic() - self._beat_at >= BEAT_SECONDS:
            self._write_session("running")

    def stop_heartbeat(self) -> None:
        """Stop the heartbeat, because the study is about to be deleted."""
        with self._publishing:
            self._silent = True

    def close(self, state: SessionState, message: str = "", *, export_failure: str = "") -> None:
        """Write the rest, each table as one file, and how the session ended."""
        self._write_rows()
        try:
            for table in _TABLES:
                if self._files[table].parts:
                    self._write_whole(table, read_rows(self._store, table, self._study, self._files))
        except StorageError:
            # Another driver that has taken over deletes the parts that this one reads.
            self.lease.check(immediately=True)
            raise
        self._commit()
        for table in _TABLES:
            self._drop_others(table)
        self._write_trials()
        self._write_session(state, message=without_keys(message), export_failure=without_keys(export_failure))

    def _write_rows(self) -> None:
        session = self.lease.number
        for table in _TABLES:
            if self._rows[table]:
                self.lease.check()
                files = self._files[table]
                count = files.parts.get(session, 0) + 1
                part = pa.Table.from_pylist(self._rows[table], self._schemas[table])
                self._store.write_table(layout.part(table, session, count), part)
                self._derived_from[table].append(self._selected(part) if table == "epochs" else part)
                # They count from here on: the part of a flush that was cut off is written again, in full.
                self._files[table] = replace(files, parts={**files.parts, session: count})
                self._rows[table] = []

    def _write_trials(self) -> None:
        """Derive the table `trials`, and store it."""
        started = time.monotonic()
        whole = {
            table: pa.concat_tables(parts, promote_options="permissive") for table, parts in self._derived_from.items()
        }
        epochs, decisions = (clean(whole[table], table) for table in _TABLES)
        self._derived_from = {"epochs": [epochs.combine_chunks()], "decisions": [decisions.combine_chunks()]}
        checkpoints = newest_checkpoints(self._store.files("checkpoints"))
        trials = derive_trials(epochs, decisions, self._study, checkpoints)
        self.lease.check()
        self._store.write_table(layout.TRIALS, trials)
        self._derived_at = time.monotonic()
        self._derived_in = self._derived_at - started

    def _write_whole(self, table: str, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        content = parquet_bytes(rows.schema, (rows.slice(at, _BATCH) for at in range(0, rows.num_rows, _BATCH)))
        self.lease.check()
        self._store.write(layout.compacted(table, self.lease.number), [content])
        self._files[table] = TableFiles(self.lease.number)

    def _drop_others(self, table: str) -> None:
        """Delete a table's files that are not committed: a driver that takes over later has its own, which stay."""
        kept = set(table_paths(table, self._files[table]))
        others = [path for path in self._store.files(table) if layout.names(path) and path not in kept]
        own = [path for path in others if layout.session_number(path) <= self.lease.number]
        self._store.delete_all(own, self.lease.check)

    def _refuse_rows_without_session(self) -> None:
        """Refuse rows of a session without a file: its scheduler's state is gone, and new rows would not count."""
        written = [path for table in _TABLES for path in self._store.files(table) if layout.names(path)]
        newest = max(map(layout.session_number, written), default=0)
        if newest >= self.lease.number:
            raise StorageError(
                f"{self._store.uri} has rows of session {newest}, but no file of that session in sessions/. Restore it "
                "from a copy, or start a new study."
            )

    def _add_metrics(self, columns: Iterable[str]) -> None:
        new = set(columns) - self._metrics
        if new or "epochs" not in self._schemas:
            self._metrics |= new
            self._schemas["epochs"] = arrow_schema("epochs", flat(self._job.space), sorted(self._metrics))

    def _selected(self, epochs: pa.Table) -> pa.Table:
        """The columns from which the table `trials` is derived."""
        wanted = scored_columns(self._study)
        return epochs.select([name for name in epochs.column_names if name in wanted])

    def _write_session(self, state: SessionState, **end: str) -> None:
        with self._publishing:
            if self._silent and state == "running":
                return
            tables, resume = self._committed
            nodes = [self._nodes[host] for host in sorted(self._nodes)]
            self.lease.write(state, resume, workers=self.workers, tables=tables, nodes=nodes, **self._facts, **end)
            self._silent = state != "running"
            self._beat_at = time.monotonic()

    def _commit(self, state: str | None = None) -> None:
        """Write into the session's file which files count from now on, and a new state of the study if given."""
        # Both at once: the heartbeat comes from a separate thread.
        self._committed = {**self._files}, self._committed[1] if state is None else state
        self._write_session("running")
