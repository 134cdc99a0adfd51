"""A driver's own file in the study: it takes a session number, holds the heartbeat, and fences off other drivers.

Two drivers can run one study, for example after a node was lost and came back. Each has its own number. A driver that
sees a higher number, or another mark in its own file, has been replaced and must stop writing.
"""

import json
import math
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from pipeline.errors import StorageError, Superseded
from pipeline.execution.driver.provenance import Provenance
from pipeline.execution.interrupts import takes_signals
from pipeline.execution.sessions import check_newest, superseded
from pipeline.storage import Store
from pipeline.storage.processes import identity, mark_ended
from pipeline.study import layout
from pipeline.study.studies import called

SessionState: TypeAlias = Literal["running", "finished", "interrupted", "failed"]

_POLL_SECONDS = 1.0
MARK_WITHIN = 200
"""The mark is within the first bytes of the file."""


class SessionFile:
    """The file of this driver session."""

    def __init__(
        self,
        store: Store,
        number: int,
        *,
        seconds_before: float = 0.0,
        provenance: Provenance | None = None,
        code_changes: Sequence[str] = (),
    ) -> None:
        self.number = number
        self.taken = False
        """Whether the number is taken: before that, the study is not this driver's."""
        self._store = store
        self._mark = uuid.uuid4().hex
        self._started = datetime.now(UTC)
        self._clock, self._seconds_before = time.monotonic(), seconds_before
        self._provenance, self._code_changes = provenance, code_changes
        self._data_changes: Sequence[str] = ()
        self._winner_failure = ""
        self._workers: int | None = None
        self._nodes: dict[str, Mapping[str, Any]] = {}
        self._stop_requested, self._polled = False, time.monotonic()
        self._checked = -math.inf

    @property
    def seconds(self) -> float:
        """Seconds that drivers of this study ran, earlier sessions included."""
        return self._seconds_before + time.monotonic() - self._clock

    @property
    def workers(self) -> int | None:
        """How many trials this session trains in parallel at most; None until that is known."""
        return self._workers

    def record_workers(self, count: int) -> None:
        """Record how many trials this session trains in parallel."""
        self._workers = count

    def record_data_changes(self, changes: Sequence[str]) -> None:
        """Record how the data differ from those of the session before."""
        self._data_changes = changes

    def record_winner_failure(self, why: str) -> None:
        """Record why the winner could not be exported or evaluated."""
        self._winner_failure = why

    def add_node(self, facts: Mapping[str, Any]) -> None:
        """Record the machine of a worker."""
        self._nodes[str(facts["host"])] = facts

    def publish(self, state: SessionState, message: str, *, resume: str) -> None:
        """Write the file: the heartbeat, and what a resumed study needs in addition to the tables."""
        # In a flush it follows the tables, for which the storage was asked.
        self.check_again()
        now = datetime.now(UTC)
        # The folder exists from the first file on.
        place = {"place": self._store.place} if self.taken else {}
        content = json.dumps(
            {
                "number": self.number,
                "mark": self._mark,
                **place,
                "state": state,
                "started": self._started.isoformat(),
                "heartbeat": now.isoformat(),
                "ended": None if state == "running" else now.isoformat(),
                "seconds": self.seconds,
                "workers": self._workers,
                **identity(),
                "takes_signals": takes_signals(),
                "message": message,
                "provenance": self._provenance and self._provenance.content(wait=state != "running"),
                "nodes": [self._nodes[host] for host in sorted(self._nodes)],
                "data_changes": list(self._data_changes),
                "code_changes": list(self._code_changes),
                "winner_failure": self._winner_failure,
            },
            allow_nan=False,
        )
        # It may have megabytes, most of which were in the last version of the file already.
        content = f'{content.removesuffix("}")}, "resume": {resume}}}'
        path = layout.session(self.number)
        if not self.taken:
            if not self._store.create(path, content):
                name = called(self._store.uri)
                raise Superseded(f"Another driver has just begun session {self.number} of the study {name!r}.")
            self.taken = True
            return
        self._store.write(path, content)

    def check(self) -> None:
        """Make sure that the study is still this driver's.

        Raises:
            Superseded: Another driver has taken it over.
        """
        if not self.taken:
            return
        now = time.monotonic()
        check_newest(self._store, self.number)
        if not self._has_mark():
            raise superseded(self._store, self.number, self.number)
        self._checked = now

    def check_again(self) -> None:
        """As `check`, but the storage is asked once a second at most: before each of several writes.

        A process that was stopped between two of them, or whose storage did not answer, may have been replaced.
        """
        if time.monotonic() - self._checked >= _POLL_SECONDS:
            self.check()

    def leave(self) -> None:
        """Let this process forget the session: its driver has ended, even if that could not be written."""
        mark_ended(self._mark)

    def stop_requested(self, *, immediately: bool = False) -> bool:
        """Whether a user has requested this session to end."""
        now = time.monotonic()
        if self.taken and not self._stop_requested and (immediately or now - self._polled >= _POLL_SECONDS):
            self._polled = now
            with suppress(StorageError):
                # An object store lists a folder by one request, and needs two to say that a file does not exist.
                self._stop_requested = layout.stop_request(self.number) in self._store.files("sessions")
        return self._stop_requested

    def _has_mark(self) -> bool:
        """Whether the stored file is this driver's; its first fields say so."""
        try:
            start = self._store.read_start(layout.session(self.number), MARK_WITHIN)
        except FileNotFoundError:
            return False
        return json.dumps({"mark": self._mark})[1:-1].encode() in start
