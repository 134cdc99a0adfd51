"""A driver's lease of a study: the number of its session, which no other driver has, and the heartbeat.

Two drivers can run one study, for example after a node was lost and came back. Each has its own number, and the names
of what it writes carry the number. A driver that sees a higher number, or another mark in its own file, has been
replaced and must stop writing: that is checked when the number is taken, at a flush, and before a deletion.
"""

import json
import math
import shlex
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from pipeline.errors import StorageError, Superseded
from pipeline.notes import note
from pipeline.storage import layout
from pipeline.storage.processes import identity, mark_ended
from pipeline.storage.sessions import BEAT_SECONDS, describe_driver, read_sessions, session_paths
from pipeline.storage.store import Store

SessionState: TypeAlias = Literal["running", "finished", "interrupted", "failed"]

_POLL_SECONDS = 1.0
"""How often the storage is asked whether the lease holds, where several writes follow each other."""

MARK_WITHIN = 200
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
        """Write the session's file: the heartbeat, facts about the session, and as JSON text what a resume needs.

        Raises:
            Superseded: Another driver has taken the number, or has taken the study over.
        """
        # In a flush it follows the tables, for which the storage was asked.
        self.check_again()
        now = datetime.now(UTC).isoformat()
        content = json.dumps(
            {
                "number": self.number,
                "mark": self._mark,
                # The folder exists from the first file on.
                **({"place": self._store.place} if self.taken else {}),
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

    def check(self) -> None:
        """Make sure that the study is still this driver's.

        Raises:
            Superseded: Another driver has taken it over.
        """
        if self.taken:
            now = time.monotonic()
            check_newest(self._store, self.number)
            if not self._has_mark():
                # Both drivers took the number at the same time, or the session's file was replaced.
                raise _superseded(self._store, self.number, self.number)
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
        try:
            start = self._store.read_start(layout.session(self.number), MARK_WITHIN)
        except FileNotFoundError:
            return False
        return json.dumps({"mark": self._mark})[1:-1].encode() in start


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
    """Make sure that no later session has begun."""
    newest = max(map(layout.session_number, session_paths(store)), default=0)
    if newest > number:
        raise _superseded(store, number, newest)


def take_over(store: Store) -> None:
    """Prepare a study for the next session, whether or not the driver of its last one is alive.

    If the last session's file cannot be read and no rows came with it, it is kept next to one without a state. The last
    driver, if it is still alive, ends by itself before it writes again.
    """
    paths = session_paths(store)
    try:
        session = next(iter(read_sessions(store, only_last=True)), None)
    except StorageError as damage:
        number = layout.session_number(paths[-1])
        _set_aside(store, number, paths[:-1], damage)
        note(f"{damage} It is kept as {layout.damaged_session(number)}, and the study continues.")
        return
    if session is not None and session["state"] == "running":
        note(
            f"Session {session['number']} is taken over: {describe_driver(session)}. If that driver is still alive, it "
            "ends without writing anything more."
        )


def _superseded(store: Store, number: int, newest: int) -> Superseded:
    which = "of the same number" if newest == number else f"session {newest}"
    return Superseded(
        f"Another driver, {which}, has taken over the study in {store.uri}. This one, session {number}, ends and "
        "changes nothing more."
    )


def _set_aside(store: Store, number: int, earlier: Sequence[str], damage: StorageError) -> None:
    """Replace the damaged file of the last session, which has written no rows, by the state of the session before."""
    written = [file for table in ("epochs", "decisions") for file in store.files(table) if layout.names(file)]
    if any(layout.session_number(file) >= number for file in written):
        raise StorageError(
            f"{damage} The scheduler's state at the end of session {number} is lost with it, so the study cannot be "
            "resumed. Its tables are complete: start another study from its best configs, `tunepipe run JOB --name NEW "
            f"--start-from {shlex.quote(store.uri)}`."
        )
    before: Any = store.read_json(earlier[-1], most=None) if earlier else {}
    now = datetime.now(UTC).isoformat()
    facts = {"number": number, "state": "interrupted", "started": now, "heartbeat": now, "ended": now}
    kept = {name: before[name] for name in ("seconds", "tables", "resume") if name in before}
    store.write(layout.damaged_session(number), store.read(layout.session(number)))
    store.write(layout.session(number), json.dumps({**facts, "message": f"Its file was damaged: {damage}", **kept}))
