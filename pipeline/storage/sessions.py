"""The file of each driver session, as every process reads it: who drives the study, and is that driver alive.

A file of another form is not a session file.
"""

import math
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import StorageError
from pipeline.notes import note
from pipeline.storage import layout
from pipeline.storage.processes import lives
from pipeline.storage.store import Store, from_json

BEAT_SECONDS = 30
"""A driver writes a heartbeat at least this often, in seconds."""

SILENT_SECONDS = 2 * BEAT_SECONDS
"""After this many seconds without a heartbeat a driver counts as dead."""

_POLL_SECONDS = 1.0

_STATE = b', "resume": '
"""What a driver writes before the state of the trials: the last field of a session's file, and megabytes of a large
study. No text of the file contains it, because JSON escapes quotation marks."""

_START_BYTES = 2**16
"""Bytes in which the other fields usually are."""


def _a_moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


_Whole = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
_Seconds = Annotated[float, Field(strict=True, ge=0, lt=1e12)]
_Moment = Annotated[str, AfterValidator(_a_moment)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class _Machine(_Part):
    host: str = ""
    system: str = ""
    cpu: str = ""
    cores: _Whole = 0
    memory: Annotated[int, Field(strict=True, ge=0)] = 0
    gpus: list[str] = []


class _Node(_Machine):
    versions: dict[str, str] = {}


class _Commit(_Part):
    commit: str
    dirty: bool


class _Provenance(_Part):
    versions: dict[str, str] = {}
    command: list[str] = []
    machine: _Machine = _Machine()
    seed: _Whole | None = None
    git: _Commit | None = None


class _Files(_Part):
    whole: Annotated[_Whole, Field(ge=1)] | None = None
    parts: dict[int, _Whole] = {}


class _Session(_Part):
    """The fields of a session's file."""

    number: Annotated[_Whole, Field(ge=1)]
    state: Literal["running", "finished", "interrupted", "failed"]
    mark: str | None = None
    place: str | None = None
    started: _Moment
    heartbeat: _Moment | None = None
    ended: _Moment | None = None
    seconds: _Seconds = 0.0
    workers: _Whole | None = None
    host: str = ""
    boot_id: str | None = None
    pid_namespace: str | None = None
    pid: _Whole = 0
    process_started: _Seconds | None = None
    process_started_after_boot: _Seconds | None = None
    takes_signals: Annotated[bool, Field(strict=True)] = False
    message: str = ""
    provenance: _Provenance | None = None
    nodes: list[_Node] = []
    data_changes: list[str] = []
    code_changes: list[str] = []
    winner_failure: str = ""
    tables: dict[str, _Files] | None = None
    resume: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Which files hold a table: the one that a session has written as a whole, and the first parts of later ones."""

    whole: int | None = None
    parts: Mapping[int, int] = field(default_factory=dict)


def files_in(session: Mapping[str, Any] | None) -> Mapping[str, TableFiles] | None:
    """The files of each table that a session has committed; None if it does not say, as before its first flush."""
    tables = None if session is None else session["tables"]
    return None if tables is None else {name: TableFiles(**files) for name, files in tables.items()}


def committed_files(store: Store) -> Mapping[str, TableFiles] | None:
    """The files of each table that the newest session has committed."""
    return files_in(next(iter(read_sessions(store, only_last=True)), None))


def read_sessions(store: Store, *, only_last: bool = False, resume: bool = False) -> Sequence[Mapping[str, Any]]:
    """The content of each driver session's file, by number; other files are passed over."""
    paths, sessions = session_paths(store), []
    for path in paths[-1:] if only_last else paths:
        # The study may be deleted meanwhile.
        with suppress(FileNotFoundError):
            whole = resume and path == paths[-1]
            content = store.read(path) if whole else _without_state(store, path)
            session = _session(store, path, content)
            sessions.append(session if whole else {**session, "resume": None})
    return sorted(sessions, key=lambda session: int(session["number"]))


def session_paths(store: Store) -> list[str]:
    """The paths of the sessions' files, by number."""
    paths = [path for path in store.files("sessions") if re.fullmatch(r"sessions/[0-9]+\.json", path)]
    return sorted(paths, key=layout.session_number)


def _without_state(store: Store, path: str) -> bytes:
    """A session's file without what a resume needs, of which no more than the beginning is read."""
    start = store.read_start(path, _START_BYTES)
    before, found, _ = start.partition(_STATE)
    if found:
        return before + b"}"
    return start if len(start) < _START_BYTES else store.read(path)


def _session(store: Store, path: str, text: bytes) -> Mapping[str, Any]:
    try:
        session = _Session.model_validate(from_json(text, "it")).model_dump()
    except StorageError as error:
        fault = str(error).partition(". Restore")[0]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        fault = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
    else:
        return {**session, "copied": session["place"] not in (None, store.place)}
    raise StorageError(
        f"{path} in {store.uri} is not a session file: {fault}. Restore it from a copy; or, if no driver is running, "
        f"continue without it: `tunepipe resume {shlex.quote(store.uri)} --take-over`."
    )


def driver_seconds(sessions: Sequence[Mapping[str, Any]]) -> float:
    """The seconds while a driver of the study ran, over all these sessions."""
    return max((float(session.get("seconds") or 0) for session in sessions), default=0.0)


def state_of(sessions: Sequence[Mapping[str, Any]], now: datetime) -> str:
    """A study's state: that of its last session, or interrupted if its driver is dead.

    The driver's process decides if it runs on this machine; otherwise the heartbeat does.
    """
    if not sessions:
        return "waiting"
    last = sessions[-1]
    if last["state"] != "running":
        return str(last["state"])
    alive, beat = lives(last), last.get("heartbeat") or last.get("started")
    if alive is None and beat is not None:
        alive = (now - datetime.fromisoformat(beat)).total_seconds() <= SILENT_SECONDS
    return "interrupted" if alive is False else "running"


def describe_driver(session: Mapping[str, Any]) -> str:
    """The driver of a session and its last heartbeat, for a message."""
    who = f"process {session['pid']} on {session['host'] or 'an unknown host'}"
    return f"{who}, last heartbeat at {session['heartbeat']}" if session["heartbeat"] else who


def driver_alive(store: Store, session: Mapping[str, Any]) -> bool:
    """Whether the driver of a session that has not ended may still be alive.

    On this machine its process decides. On others its heartbeat counts as long as the storage's clock says; a younger
    one is watched until it moves or is too old, since the clocks of the two machines may differ.
    """
    if session["state"] != "running":
        return False
    if (alive := lives(session)) is not None:
        return alive
    left = SILENT_SECONDS - max(_silence(store, session) or 0.0, 0.0)
    if left < 0:
        return False
    note(
        f"Session {session['number']} has not ended: {describe_driver(session)}. Waiting up to {left:.0f} s for its "
        f"next heartbeat; `tunepipe resume {shlex.quote(store.uri)} --take-over` does not wait."
    )
    moved = heartbeat_within(store, left)
    return moved and any(each["state"] == "running" for each in read_sessions(store, only_last=True))


def state_in(store: Store, sessions: Sequence[Mapping[str, Any]]) -> str:
    """A study's state, as `state_of` has it, by the storage's clock."""
    now = datetime.now(UTC)
    last = sessions[-1] if sessions else {}
    beat = last.get("heartbeat") or last.get("started")
    if last.get("state") == "running" and beat is not None and lives(last) is None:
        silence = _silence(store, last)
        if silence is not None:
            now = datetime.fromisoformat(beat) + timedelta(seconds=min(silence, 2 * SILENT_SECONDS))
    return state_of(sessions, now)


class Watch:
    """Checks repeatedly whether the driver of a study is alive, by this process' own clock.

    A driver of another machine counts as alive until its heartbeat has not changed for long enough.
    """

    def __init__(self) -> None:
        self._beat: Any = None
        self._moved = 0.0

    def state(self, sessions: Sequence[Mapping[str, Any]]) -> str:
        """A study's state, as `state_of` has it."""
        last = sessions[-1] if sessions else {}
        beat, now = last.get("heartbeat") or last.get("started"), time.monotonic()
        if beat is None:
            return state_of(sessions, datetime.now(UTC))
        if (last["number"], beat) != self._beat:
            self._beat, self._moved = (last["number"], beat), now
        return state_of(sessions, datetime.fromisoformat(beat) + timedelta(seconds=now - self._moved))


def _silence(store: Store, session: Mapping[str, Any]) -> float | None:
    """The seconds since a session's file was written; infinite if it is gone, None if no file can be written."""
    try:
        return store.age(layout.session(session["number"]))
    except FileNotFoundError:
        return math.inf
    except StorageError:
        return None


def heartbeat_within(store: Store, seconds: float = SILENT_SECONDS) -> bool:
    """Wait for a driver to write a session's file."""
    before, until = _session_files(store), time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        if _session_files(store) != before:
            return True
    return False


def _session_files(store: Store) -> tuple[list[str], bytes]:
    """The paths of all sessions' files, and the content of the newest one."""
    paths = session_paths(store)
    try:
        return paths, store.read(paths[-1]) if paths else b""
    except FileNotFoundError:
        return paths, b""


_TOLD = (
    "number", "state", "started", "ended", "seconds", "workers", "host", "message", "winner_failure", "provenance",
    "nodes",
)  # fmt: skip
_END = ("state", "ended", "seconds", "message", "winner_failure")


def sessions_objects(sessions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sessions as JSON values, without what only a resume needs."""
    return [{name: session.get(name) for name in _TOLD} for session in sessions]


def provenance_object(store: Store, model: Mapping[str, Any]) -> dict[str, Any]:
    """The record next to an exported model: which model it is, and the sessions of its study."""
    sessions = [
        # A session that exports while it runs cannot say how it ends.
        {name: value for name, value in session.items() if session["ended"] or name not in _END}
        for session in sessions_objects(read_sessions(store))
    ]
    return {**model, "study": store.uri.partition("?")[0], "sessions": sessions}
