"""The one writer of a study: its tables and its session file, in an order that is consistent after a crash."""

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.datasets import ConfigReads, with_combination
from pipeline.execution.driver.provenance import Provenance
from pipeline.execution.driver.session_file import SessionFile, SessionState
from pipeline.execution.driver.table_writer import TableWriter
from pipeline.results.tables.sessions import BEAT_SECONDS
from pipeline.storage import Store
from pipeline.study import TuneJob
from pipeline.study.files import read_document, recorded_data, set_data


class Recorder:
    """Writes one study for one driver session."""

    def __init__(
        self,
        store: Store,
        job: TuneJob,
        *,
        session: int,
        seconds_before: float = 0.0,
        decided_before: int = 0,
        provenance: Provenance | None = None,
        code_changes: Sequence[str] = (),
    ) -> None:
        self._store = store
        self.file = SessionFile(
            store, session, seconds_before=seconds_before, provenance=provenance, code_changes=code_changes
        )
        self.tables = TableWriter(store, job, self.file, decided_before=decided_before)
        self._resume = self._resume_text({})
        self._beat_at = time.monotonic()
        # The heartbeat comes from a separate thread, too.
        self._publishing, self._silent = threading.Lock(), False

    def begin(self, state: Mapping[str, str]) -> None:
        """Take the session's number: from now on the study is this driver's."""
        self._resume = self._resume_text(state)
        self._publish("running")

    def flush(self, state: Mapping[str, str], *, checkpoints: Mapping[str, str] | None = None) -> None:
        """Write the new rows, the derived trials, the state and the heartbeat."""
        resume = self._resume_text(state)
        self.tables.flush(checkpoints or {})
        self._resume = resume
        self._publish("running")

    def beat(self) -> None:
        """Write the heartbeat if that is due: a flush may be far off."""
        # Before `begin` has taken the number, there is no study to keep alive.
        if self.file.taken and time.monotonic() - self._beat_at >= BEAT_SECONDS:
            self._publish("running")

    def stop_heartbeat(self) -> None:
        """Stop the heartbeat, because the study is about to be deleted."""
        with self._publishing:
            self._silent = True

    def close(self, state: SessionState, message: str = "") -> None:
        """Write the rest, compact the parts into one file a table, and record how the session ended."""
        self.tables.flush()
        self.tables.compact()
        self._publish(state, message)

    def add_data(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Record data that a data function returned for other configs."""
        self.file.check()
        recorded = recorded_data(read_document(self._store))
        for entry in entries:
            recorded = with_combination(recorded, ConfigReads(entry["config"], tuple(entry["absent"])), entry["arrays"])
        if recorded is not None:
            set_data(self._store, recorded)

    def _publish(self, state: SessionState, message: str = "") -> None:
        with self._publishing:
            if self._silent and state == "running":
                return
            self.file.publish(state, message, resume=self._resume)
            self._silent = state != "running"
            self._beat_at = time.monotonic()

    def _resume_text(self, state: Mapping[str, str]) -> str:
        pairs = {**state, "decided": str(self.tables.decision_count)}.items()
        return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in pairs) + "}"
