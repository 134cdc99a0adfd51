"""The file of each driver session: its driver's lease of the study, and what every process reads from it.

Two drivers can run one study, for example after a node was lost and came back. Each has its own number, and the names
of what it writes carry the number. A driver that sees a higher number, or another mark in its own file, has been
replaced and must stop writing: that is checked when the number is taken, at a flush, and before a deletion.
"""

import json
import math
import os
import platform
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import StorageError, Superseded
from pipeline.storage import layout
from pipeline.storage.store import Store, from_json
from pipeline.text import note

SessionState: TypeAlias = Literal["running", "ended", "interrupted", "failed"]

BEAT_SECONDS = 30
"""A driver writes a heartbeat at least this often, in seconds."""

SILENT_SECONDS = 2 * BEAT_SECONDS
"""After this many seconds without a heartbeat a driver counts as dead."""

_POLL_SECONDS = 1.0
"""How often the storage is asked whether a lease holds, whether a driver lives, and whether a user wants the end."""

_STATE = b',"resume":'
"""What a driver writes before the state of the trials: the last field of a session's file, and megabytes of a large
study. No text of the file contains it, because JSON escapes quotation marks."""

_START_BYTES = 2**16
"""Bytes in which the other fields usually are."""

_SAME_START = 1.0
"""Seconds by which two readings of when a process started may differ."""

_ENDED: set[str] = set()
"""Marks of the sessions of this process that have ended."""


def _a_moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if not MINYEAR + 1 < moment.year < MAXYEAR:
        raise ValueError("no other zone may have this moment")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


_Whole = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
_Seconds = Annotated[float, Field(strict=True, ge=0, lt=1e12)]
_Moment = Annotated[str, AfterValidator(_a_moment)]


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Which files hold a table: the one that a session has written as a whole, and the first parts of later ones."""

    whole: Annotated[_Whole, Field(ge=1)] | None = None
    parts: Mapping[int, _Whole] = field(default_factory=dict)


class SessionRecord(BaseModel):
    """The content of a session's file."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)

    number: Annotated[_Whole, Field(ge=1)]
    mark: str | None = None
    state: SessionState
    started: _Moment
    heartbeat: _Moment | None = None
    ended: _Moment | None = None
    seconds: _Seconds = 0.0
    workers: _Whole | None = None
    host: str = ""
    boot_id: str | None = None
    pid_namespace: str | None = None
    pid: _Whole = 0
    process_started_after_boot: _Seconds | None = None
    message: str = ""
    provenance: dict[str, Any] | None = None
    nodes: list[dict[str, Any]] = []
    data_changes: list[str] = []
    code_changes: list[str] = []
    export_failure: str = ""
    tables: dict[str, TableFiles]
    resume: dict[str, Any] = {}


_TOLD = (
    "number", "state", "started", "ended", "seconds", "workers", "host", "message", "export_failure", "provenance",
    "nodes",
)  # fmt: skip


class Lease:
    """The lease of one driver session: from the first `write` on, the study is this driver's."""

    def __init__(self, store: Store, number: int, *, seconds_before: float) -> None:
        self.number = number
        self.taken = False
        """Whether the number is taken: before that, the study is not this driver's."""
        self._store, self._mark = store, uuid.uuid4().hex
        self._beginning = f'{{"number":{number},"mark":"{self._mark}",'.encode()
        self._started, self._clock, self._seconds_before = datetime.now(UTC), time.monotonic(), seconds_before
        self._stop_requested, self._polled = False, time.monotonic()
        self._checked = -math.inf

    @property
    def seconds(self) -> float:
        """Seconds that drivers of this study ran, earlier sessions included."""
        return self._seconds_before + time.monotonic() - self._clock

    def write(self, state: SessionState, resume: str, **facts: Any) -> None:
        """Write the session's file: the heartbeat, other fields of the record, and as JSON what a resume needs."""
        self.check()
        now = datetime.now(UTC).isoformat()
        record = SessionRecord(
            number=self.number, mark=self._mark, state=state, started=self._started.isoformat(), heartbeat=now,
            ended=None if state == "running" else now, seconds=self.seconds, **identity(), **facts,
        )  # fmt: skip
        # Not by pydantic, which refuses the names of files that are not UTF-8.
        text = json.dumps(record.model_dump(exclude={"resume"}), allow_nan=False, separators=(",", ":"))
        # What a resume needs may have megabytes.
        content = f"{text.removesuffix('}')}{_STATE.decode()}{resume}}}"
        path = layout.session(self.number)
        if self.taken:
            self._store.write(path, content)
        elif self._store.create(path, content):
            self.taken = True
        else:
            raise Superseded(f"Another driver has just begun session {self.number} of the study in {self._store.uri}.")

    def check(self, *, immediately: bool = False) -> None:
        """Raise Superseded if another driver has taken the study over: asked immediately, or once a second at most.

        What a driver that was replaced writes within the second carries its own number.
        """
        now = time.monotonic()
        if self.taken and (immediately or now - self._checked >= _POLL_SECONDS):
            check_newest(self._store, self.number)
            start = b""
            with suppress(FileNotFoundError):
                start = self._store.read_start(layout.session(self.number), len(self._beginning))
            if start != self._beginning:
                # Both drivers took the number at the same time, or the session's file was replaced.
                raise _superseded(self._store, self.number, "of the same number")
            self._checked = now

    def leave(self) -> None:
        """Let this process forget the session: its driver has ended, even if that could not be written."""
        _ENDED.add(self._mark)

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
    """Call a function again and again, in a separate thread, because the driver's own may be busy for long."""
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
    newest = max(map(layout.session_number, _session_paths(store)), default=number)
    if newest > number:
        raise _superseded(store, number, f"session {newest}")


def _superseded(store: Store, number: int, other: str) -> Superseded:
    return Superseded(
        f"Another driver, {other}, has taken over the study in {store.uri}. This one, session {number}, ends and "
        "changes nothing more."
    )


def committed_files(store: Store) -> Mapping[str, TableFiles]:
    """The files of each table that the last session has committed; none before the first session."""
    last = next(iter(read_sessions(store, only_last=True)), None)
    if last is None and store.files("epochs"):
        raise StorageError(
            f"{store.uri} has epochs, but no file in sessions/ to say which count. Restore it from a copy."
        )
    return {} if last is None else last.tables


def read_sessions(store: Store, *, only_last: bool = False, resume: bool = False) -> Sequence[SessionRecord]:
    """The content of each session's file, by number; `resume`: with what a resume needs, in the last one."""
    paths, sessions = _session_paths(store), []
    for path in paths[-1:] if only_last else paths:
        # The study may be deleted meanwhile.
        with suppress(FileNotFoundError):
            whole = resume and path == paths[-1]
            session = _session(store, path, store.read(path) if whole else _without_state(store, path))
            sessions.append(session if whole else session.model_copy(update={"resume": {}}))
    return sorted(sessions, key=lambda session: session.number)


def _session_paths(store: Store) -> list[str]:
    paths = [path for path in store.files("sessions") if re.fullmatch(r"sessions/[0-9]+\.json", path)]
    return sorted(paths, key=layout.session_number)


def _without_state(store: Store, path: str) -> bytes:
    start = store.read_start(path, _START_BYTES)
    before, found, _ = start.partition(_STATE)
    if found:
        return before + b"}"
    return start if len(start) < _START_BYTES else store.read(path)


def first_fault(error: ValidationError) -> str:
    """Where the first fault is that pydantic found, and what it is."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"


def _session(store: Store, path: str, text: bytes) -> SessionRecord:
    try:
        return SessionRecord.model_validate(from_json(text, "it"))
    except StorageError as error:
        fault = str(error).partition(". Restore")[0]
    except ValidationError as error:
        fault = first_fault(error)
    raise StorageError(
        f"{path} in {store.uri} is not a session file: {fault}. Restore it from a copy, or start a new study with "
        "another name."
    )


def driver_seconds(sessions: Sequence[SessionRecord]) -> float:
    """The seconds while a driver of the study ran, over all these sessions."""
    return max((session.seconds for session in sessions), default=0.0)


def state_of(sessions: Sequence[SessionRecord], now: datetime | None = None) -> str:
    """A study's state: that of its last session, or interrupted if its driver is dead."""
    if not sessions:
        return "waiting"
    last = sessions[-1]
    if last.state != "running":
        return last.state
    alive = lives(last)
    if alive is None:
        alive = _silence(last, now) <= SILENT_SECONDS
    return "running" if alive else "interrupted"


def _silence(session: SessionRecord, now: datetime | None = None) -> float:
    beat = datetime.fromisoformat(session.heartbeat or session.started)
    return ((now or datetime.now(UTC)) - beat).total_seconds()


def describe_driver(session: SessionRecord) -> str:
    who = f"process {session.pid} on {session.host or 'an unknown host'}"
    return f"{who}, last heartbeat at {session.heartbeat}" if session.heartbeat else who


def driver_alive(store: Store, session: SessionRecord, advice: str = "") -> bool:
    """Whether the driver of a session that has not ended may still be alive.

    On this machine its process decides. On others a recent heartbeat is watched until the next one comes or is overdue,
    and `advice` is printed with what is waited for.
    """
    if session.state != "running" or (alive := lives(session)) is False:
        return False
    left = min(SILENT_SECONDS - _silence(session), SILENT_SECONDS)
    if alive or left < 0:
        return bool(alive)
    note(
        f"Session {session.number} has not ended: {describe_driver(session)}. Waiting up to {left:.0f} s for its "
        f"next heartbeat{advice}."
    )
    until = time.monotonic() + left
    while time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        last = next(iter(read_sessions(store, only_last=True)), None)
        if last is None or (last.number, last.heartbeat) != (session.number, session.heartbeat):
            return last is not None and last.state == "running"
    return False


def sessions_objects(sessions: Sequence[SessionRecord]) -> list[dict[str, Any]]:
    return [{name: getattr(session, name) for name in _TOLD} for session in sessions]


def identity() -> dict[str, Any]:
    """What identifies this process, as JSON values.

    Numbers are reused, and unique only between two boots, in one namespace; machines and pods may share a name.
    """
    import psutil

    process = psutil.Process()
    return {**_numbering(), "pid": process.pid, "process_started_after_boot": _after_boot(process)}


def lives(session: SessionRecord) -> bool | None:
    """Whether the process of a session's driver is alive; None if this machine cannot say."""
    import psutil

    if session.mark in _ENDED:
        # A notebook's process outlives a study whose end could not be written.
        return False
    if any(getattr(session, name) != value for name, value in _numbering().items()):
        return None
    try:
        process = psutil.Process(session.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started = session.process_started_after_boot
        return None if started is None else bool(abs(_after_boot(process) - started) < _SAME_START)
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.AccessDenied:
        return None


def _after_boot(process: Any) -> float:
    import psutil

    return float(process.create_time() - psutil.boot_time())


def _numbering() -> dict[str, str | None]:
    """The host, boot and namespace in which this process has its number."""
    found: dict[str, str | None] = {"host": platform.node(), "boot_id": None, "pid_namespace": None}
    with suppress(OSError):
        found["boot_id"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip() or None
        found["pid_namespace"] = os.fspath(Path("/proc/self/ns/pid").readlink())
    return found
