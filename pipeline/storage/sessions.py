"""The file of each driver session, as every process reads it: who drives the study, and is that driver alive.

A file of another form is not a session file.
"""

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
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


@dataclass(frozen=True, slots=True)
class TableFiles:
    """Which files hold a table: the one that a session has written as a whole, and the first parts of later ones."""

    whole: Annotated[_Whole, Field(ge=1)] | None = None
    parts: Mapping[int, _Whole] = field(default_factory=dict)


class _Session(_Part):
    """The fields of a session's file."""

    number: Annotated[_Whole, Field(ge=1)]
    state: Literal["running", "finished", "interrupted", "failed"]
    mark: str | None = None
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
    provenance: _Provenance | None = None
    nodes: list[_Machine] = []
    data_changes: list[str] = []
    code_changes: list[str] = []
    winner_failure: str = ""
    tables: dict[str, TableFiles] | None = None
    resume: dict[str, Any] | None = None


def files_in(session: Mapping[str, Any] | None) -> Mapping[str, TableFiles] | None:
    """The files of each table that a session has committed; None if it does not say, as before its first flush."""
    tables = None if session is None else session["tables"]
    return tables and {name: TableFiles(**files) for name, files in tables.items()}


def committed_files(store: Store) -> Mapping[str, TableFiles] | None:
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
        return session
    raise StorageError(
        f"{path} in {store.uri} is not a session file: {fault}. Restore it from a copy. If it is empty, the driver was "
        "killed when it began: delete it, and resume the study."
    )


def driver_seconds(sessions: Sequence[Mapping[str, Any]]) -> float:
    """The seconds while a driver of the study ran, over all these sessions."""
    return max((float(session.get("seconds") or 0) for session in sessions), default=0.0)


def state_of(sessions: Sequence[Mapping[str, Any]], now: datetime | None = None) -> str:
    """A study's state: that of its last session, or interrupted if its driver is dead.

    The driver's process decides if it runs on this machine; otherwise the heartbeat does, by this machine's clock.
    """
    if not sessions:
        return "waiting"
    last = sessions[-1]
    if last["state"] != "running":
        return str(last["state"])
    alive = lives(last)
    if alive is None:
        alive = _silence(last, now) <= SILENT_SECONDS
    return "running" if alive else "interrupted"


def _silence(session: Mapping[str, Any], now: datetime | None = None) -> float:
    beat = datetime.fromisoformat(session["heartbeat"] or session["started"])
    return ((now or datetime.now(UTC)) - beat).total_seconds()


def describe_driver(session: Mapping[str, Any]) -> str:
    """The driver of a session and its last heartbeat, for a message."""
    who = f"process {session['pid']} on {session['host'] or 'an unknown host'}"
    return f"{who}, last heartbeat at {session['heartbeat']}" if session["heartbeat"] else who


def driver_alive(store: Store, session: Mapping[str, Any]) -> bool:
    """Whether the driver of a session that has not ended may still be alive.

    On this machine its process decides. On others a recent heartbeat is watched until the next one comes or is overdue.
    """
    if session["state"] != "running" or (alive := lives(session)) is False:
        return False
    left = min(SILENT_SECONDS - _silence(session), SILENT_SECONDS)
    if alive or left < 0:
        return bool(alive)
    note(
        f"Session {session['number']} has not ended: {describe_driver(session)}. Waiting up to {left:.0f} s for its "
        f"next heartbeat; `tunepipe resume {shlex.quote(store.uri)} --take-over` does not wait."
    )
    until = time.monotonic() + left
    while time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        last = next(iter(read_sessions(store, only_last=True)), None)
        if last is None or (last["number"], last["heartbeat"]) != (session["number"], session["heartbeat"]):
            return last is not None and last["state"] == "running"
    return False


_TOLD = (
    "number", "state", "started", "ended", "seconds", "workers", "host", "message", "winner_failure", "provenance",
    "nodes",
)  # fmt: skip


def sessions_objects(sessions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sessions as JSON values, without what only a resume needs."""
    return [{name: session.get(name) for name in _TOLD} for session in sessions]


def provenance_object(store: Store, model: Mapping[str, Any]) -> dict[str, Any]:
    """The record next to an exported model: which model it is, and the sessions of its study."""
    sessions = sessions_objects(read_sessions(store))
    return {**model, "study": store.uri.partition("?")[0], "sessions": sessions}
