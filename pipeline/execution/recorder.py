"""Reports → rows → Parquet parts: the one writer of a study.

Rows and decisions gather in memory and are flushed as parts: often at first, so that the first epochs of a study can be
read at once, and at most every half minute later on, so that a study of days has thousands of parts and not millions.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.course.decided import DecisionRow
from pipeline.course.messages import EpochRow
from pipeline.errors import StorageError
from pipeline.execution.sessions import DriverSession, SessionState
from pipeline.results.gather import column_value, derive_trials, gather, newest_checkpoints
from pipeline.space import Config, flat
from pipeline.storage import Store
from pipeline.storage.schema import SCHEMA_VERSION, arrow_schema, metric_column
from pipeline.study import TuneJob, layout

__all__ = ["Recorder"]

_FIRST_FLUSH, _LONGEST_FLUSH = 1.0, 30.0


class Recorder:
    """Writes the tables of one study.

    Args:
        store: The study's folder.
        job: The study's job.
        session: This driver session's number, from 1.
        seconds_before: Seconds that earlier sessions were alive.
        decided_before: How many decisions are behind the state that an earlier session left.
    """

    def __init__(
        self, store: Store, job: TuneJob, *, session: int, seconds_before: float = 0.0, decided_before: int = 0
    ) -> None:
        self._store, self._job, self.session = store, job, session
        self._document = {"schema_version": SCHEMA_VERSION, "job": job.to_json()}
        self._driver = DriverSession(store, session)
        self._clock = time.monotonic()
        self._seconds_before = seconds_before
        self._flushed_at = self._clock
        self._part = 0
        self._columns = {job.objective.metric: metric_column(job.objective.metric)}
        self._epoch_rows: list[dict[str, Any]] = []
        self._decision_rows: list[dict[str, Any]] = []
        self._decided = decided_before
        before = gather(store, self._document)
        self._epochs, self._decisions = before.epochs, before.decisions
        self._earlier = before.epochs.select(["trial_id", "epoch", "attempt", "time"])
        self._known: dict[str, set[tuple[int, int, datetime]]] = {}
        self._check_sessions()
        self.workers: int | None = None
        self._state: Mapping[str, Any] = {}
        self._state_decided = decided_before

    @property
    def seconds(self) -> float:
        """Seconds that a driver of this study was alive."""
        return self._seconds_before + time.monotonic() - self._clock

    def begin(self, state: Mapping[str, Any]) -> None:
        """Take the session's number: from now on the study is this driver's.

        Args:
            state: What the study begins with, or goes on from.

        Raises:
            Superseded: Another driver has just taken it.
        """
        self._state, self._state_decided = state, self._decided
        self._write_session("running", "")

    def epochs(self, trial_id: str, config: Config, rows: Iterable[EpochRow]) -> None:
        """Record epochs of a trial under the config in force."""
        types = arrow_schema("epochs", flat(self._job.space))
        values = {
            f"config_{name}": column_value(value, types.field(f"config_{name}").type) for name, value in config.items()
        }
        for row in rows:
            fields = asdict(row)
            # In an order that does not depend on the model: two that collide keep their columns after a resume.
            metrics = {self._column(name): value for name, value in sorted(fields.pop("metrics").items())}
            moment = datetime.fromtimestamp(fields.pop("time"), UTC)
            if (row.epoch, row.attempt, moment) in self._recorded_before(trial_id):
                continue
            known = {"study": self._job.name, "session": self.session, "trial_id": trial_id, "time": moment}
            self._epoch_rows.append({**known, **fields, **values, **metrics})

    def decision(self, row: DecisionRow) -> None:
        """Record a decision."""
        self._decided += 1
        fields = asdict(row)
        for name in ("config_before", "config_after"):
            fields[name] = None if fields[name] is None else json.dumps(fields[name])
        known = {
            "study": self._job.name,
            "session": self.session,
            "number": self._decided,
            "time": datetime.now(UTC),
        }
        self._decision_rows.append({**known, **fields})

    def flush_if_due(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Write what has gathered, and the heartbeat, if the time has come.

        Args:
            state: Tells what a resumed study needs beside the tables; JSON values.
        """
        now = time.monotonic()
        if now - self._flushed_at >= min(max(_FIRST_FLUSH, (now - self._clock) / 50), _LONGEST_FLUSH):
            self.flush_state(state())

    def flush_state(self, state: Mapping[str, Any]) -> None:
        """Write what has gathered now."""
        self._state, self._state_decided = state, self._decided
        self.flush()

    def flush(self) -> None:
        """Write what has gathered: a part of each table, the derived trials, the session's heartbeat.

        Raises:
            Superseded: Another driver has taken the study over; nothing was written.
            StorageError: The storage cannot be written; the rows are kept for the next time.
        """
        self._driver.check()
        self._part += 1
        self._epochs = self._write("epochs", self._epoch_rows, self._epochs)
        self._decisions = self._write("decisions", self._decision_rows, self._decisions)
        self._epoch_rows, self._decision_rows = [], []
        self._store.write_table(layout.TRIALS, self._trials())
        self._write_session("running", "")
        self._flushed_at = time.monotonic()

    def check(self) -> None:
        """Make sure that the study is still this driver's.

        Raises:
            Superseded: Another driver has taken it over.
        """
        self._driver.check()

    def close(self, state: SessionState, message: str = "") -> None:
        """Write the rest, compact the parts into one file a table, and say how the session ended."""
        self.flush()
        whole = gather(self._store, self._document)
        self._compact("epochs", whole.epochs)
        self._compact("decisions", whole.decisions)
        self._store.write_table(layout.TRIALS, self._trials())
        self._write_session(state, message)

    def withdraw(self) -> None:
        """Delete the study: it was never more than a mistake."""
        self._store.delete_folder()

    def _recorded_before(self, trial_id: str) -> set[tuple[int, int, datetime]]:
        """Rows of a trial that an earlier session has recorded: a checkpoint brings them along once more."""
        if trial_id not in self._known:
            rows = self._earlier.filter(pc.field("trial_id") == trial_id).to_pylist()
            self._known[trial_id] = {(row["epoch"], row["attempt"], row["time"]) for row in rows}
        return self._known[trial_id]

    def _check_sessions(self) -> None:
        """Rows of a session whose file is gone: what its scheduler knew is gone, too, and new rows would not count."""
        newest = max((pc.max(table["session"]).as_py() or 0 for table in (self._epochs, self._decisions)), default=0)
        if newest >= self.session:
            raise StorageError(
                f"The tables of {self._store.uri} tell of session {newest}, and sessions/ has none of that number. "
                "What the scheduler knew is lost with it: restore the file from a copy, or start a new study."
            )

    def _column(self, metric: str) -> str:
        """A metric's column; two metrics whose names differ only in what a column cannot hold get two."""
        if metric not in self._columns:
            plain, number = metric_column(metric), 2
            name = plain
            while name in self._columns.values():
                name, number = f"{plain}_{number}", number + 1
            self._columns[metric] = name
        return self._columns[metric]

    def _trials(self) -> pa.Table:
        newest = newest_checkpoints(self._store.files("checkpoints"))
        return derive_trials(self._epochs, self._decisions, study=self._document, checkpoints=newest)

    def _write(self, name: str, rows: list[dict[str, Any]], before: pa.Table) -> pa.Table:
        if not rows:
            return before
        schema = arrow_schema(name, flat(self._job.space), sorted(self._columns.values()))
        part = pa.Table.from_pylist(rows, schema)
        self._store.write_table(layout.part(name, self.session, self._part), part)
        return pa.concat_tables([before, part], promote_options="permissive")

    def _compact(self, name: str, table: pa.Table) -> None:
        parts = [path for path in self._store.files(name) if path.endswith(".parquet")]
        whole = layout.compacted(name, self.session)
        if not table.num_rows or parts == [whole]:
            return
        self._driver.check()
        self._store.write_table(whole, table)
        for path in parts:
            if path != whole:
                self._store.delete(path)

    def _write_session(self, state: SessionState, message: str) -> None:
        resume = {**self._state, "decided": self._state_decided}
        self._driver.tell(state, message, seconds=self.seconds, workers=self.workers, resume=resume)
