"""A driver's lease of a study: the number of its session, which no other driver has, and the heartbeat.

Two drivers can run one study, for example after a node was lost and came back. Each has its own number, and the names
of what it writes carry the number. A driver that sees a higher number, or another mark in its own file, has been
replaced and must stop writing: that is checked when the number is taken, at a flush, and before a deletion.
"""

import json
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from pipeline.errors import StorageError, Superseded
from pipeline.storage import layout
from pipeline.storage.processes import identity, mark_ended
from pipeline.storage.sessions import BEAT_SECONDS, session_paths
from pipeline.storage.store import Store

SessionState: TypeAlias = Literal["running", "finished", "interrupted", "failed"]

_POLL_SECONDS = 1.0
"""How often the storage is asked whether the lease holds, and whether a user has asked for the end."""

_MARK_WITHIN = 200
"""The mark is within the first bytes of the session's file."""


class Lease:
    """The lease of one driver session: from the first `write` on, the study is this driver's."""

    def __init__(self, store: Store, number: int, *, seconds_before: float = 0.0) -> None:
        self.number = number
        self.taken = False
        """Whether the number is taken: before that, the study is not this driver's."""
        self._store, self._mark = store, uuid.uuid4().hex
        self._started, self._clock, self._seconds_before = datetime.now(UTC), time.monotonic(), seconds_before
        self._stop_requested, self._polled = False, time.monotonic()
        self._checked = -math.inf

    @property
    def seconds(self) -> float:
        """Seconds that drivers of this study ran, earlier sessions included."""
        return self._seconds_before + time.monotonic() - self._clock

    def write(self, state: SessionState, facts: Mapping[str, Any], resume: str) -> None:
        """Write the session's file: the heartbeat, facts about the session, and as JSON text what a resume needs."""
        self.check()
        now = datetime.now(UTC).isoformat()
        content = json.dumps(
            {
                "number": self.number,
                "mark": self._mark,
                "state": state,
                "started": self._started.isoformat(),
                "heartbeat": now,
                "ended": None if state == "running" else now,
                "seconds": self.seconds,
                **identity(),
                **facts,
            },
            allow_nan=False,
        )
        # It may have megabytes, most of which were in the last version of the file already.
        content = f'{content.removesuffix("}")}, "resume": {resume}}}'
        path = layout.session(self.number)
        if self.taken:
            self._store.write(path, content)
        elif self._store.create(path, content):
            self.taken = True
        else:
            raise Superseded(f"Another driver has just begun session {self.number} of the study in {self._store.uri}.")

    def check(self, *, immediately: bool = False) -> None:
        """Make sure that the study is still this driver's; the storage is asked immediately, or once a second at most.

        A process that was stopped between two writes, or whose storage did not answer, may have been replaced. What it
        writes within the second carries its own number.

        Raises:
            Superseded: Another driver has taken the study over.
        """
        now = time.monotonic()
        if self.taken and (immediately or now - self._checked >= _POLL_SECONDS):
            check_newest(self._store, self.number)
            start = b""
            with suppress(FileNotFoundError):
                start = self._store.read_start(layout.session(self.number), _MARK_WITHIN)
            if self._mark.encode() not in start:
                # Both drivers took the number at the same time, or the session's file was replaced.
                raise _superseded(self._store, self.number, self.number)
            self._checked = now

    def leave(self) -> None:
        """Let this process forget the session: its driver has ended, even if that could not be written."""
        mark_ended(self._mark)

    def stop_requested(self, *, immediately: bool = False) -> bool:
        now = time.monotonic()
        if self.taken and not self._stop_requested and (immediately or now - self._polled >= _POLL_SECONDS):
            self._polled = now
            with suppress(StorageError):
                # An object store lists a folder by one request, and needs two to say that a file does not exist.
                self._stop_requested = layout.stop_request(self.number) in self._store.files("sessions")
        return self._stop_requested


@contextmanager
def heartbeat(beat: Callable[[], None]) -> Iterator[None]:
    """Call a function again and again, in a separate thread, while the context is open.

    The main thread of a driver may be busy: it loads data, trains an epoch in this process, deletes files. Another
    machine takes a driver without a heartbeat for dead, and may resume or delete its study.
    """
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(BEAT_SECONDS / 6):
            with suppress(StorageError, Superseded):
                beat()

    thread = threading.Thread(target=look, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def check_newest(store: Store, number: int) -> None:
    newest = max(map(layout.session_number, session_paths(store)), default=0)
    if newest > number:
        raise _superseded(store, number, newest)


def _superseded(store: Store, number: int, newest: int) -> Superseded:
    which = "of the same number" if newest == number else f"session {newest}"
    return Superseded(
        f"Another driver, {which}, has taken over the study in {store.uri}. This one, session {number}, ends and "
        "changes nothing more."
    )
