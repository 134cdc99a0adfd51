"""The file of each driver session, and the state of the study that follows from them.

A file without a number, a state, seconds or what a resume needs is not a session file. The other fields say who the
driver is and when it was last alive: if they are damaged, the session can still be read, and `damage` lists the faults.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, WrapValidator
from pydantic_core import ErrorDetails

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.documents import from_json
from pipeline.storage.processes import lives
from pipeline.study.studies import as_argument

BEAT_SECONDS = 30
"""A driver writes a heartbeat at least this often, in seconds."""

SILENT_SECONDS = 2 * BEAT_SECONDS
"""After this many seconds without a heartbeat a driver counts as dead."""

_STATE = b', "resume": '
"""What a driver writes before the state of the trials: the last field of a session's file, and megabytes of a large
study. No text of the file contains it, because JSON escapes quotation marks."""

_START_BYTES = 2**16
"""Bytes in which the other fields usually are."""


def _a_moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _or_default(value: Any, validate: Any, info: ValidationInfo) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        name = str(info.field_name)
        damage: Any = info.context
        damage.append(_fault(name, error.errors(include_url=False, include_input=False)[0]))
        return _Session.model_fields[name].get_default()


def _fault(name: str, error: ErrorDetails) -> str:
    return f"{name}: {error['msg']}"


_Whole = Annotated[int, Field(strict=True, ge=0, lt=2**31)]
_Seconds = Annotated[float, Field(strict=True, ge=0, lt=1e12)]
_OrDefault = WrapValidator(_or_default)
_Moment = Annotated[Annotated[str, AfterValidator(_a_moment)] | None, _OrDefault]
_Text = Annotated[str | None, _OrDefault]


class _Part(BaseModel):
    """A part of a session's file; unknown fields are ignored."""

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


class _Session(BaseModel):
    """The fields of a session's file; those with a default may be missing in older files."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    number: Annotated[_Whole, Field(ge=1)]
    state: Literal["running", "finished", "interrupted", "failed"]
    mark: _Text = None
    place: _Text = None
    started: _Moment = None
    heartbeat: _Moment = None
    ended: _Moment = None
    seconds: _Seconds = 0.0
    workers: Annotated[_Whole | None, _OrDefault] = None
    host: Annotated[str, _OrDefault] = ""
    boot_id: _Text = None
    pid_namespace: _Text = None
    pid: Annotated[_Whole, _OrDefault] = 0
    process_started: Annotated[_Seconds | None, _OrDefault] = None
    process_started_after_boot: Annotated[_Seconds | None, _OrDefault] = None
    takes_signals: Annotated[bool, Field(strict=True), _OrDefault] = False
    message: Annotated[str, _OrDefault] = ""
    provenance: Annotated[_Provenance | None, _OrDefault] = None
    nodes: Annotated[list[_Node], _OrDefault] = []
    data_changes: Annotated[list[str], _OrDefault] = []
    code_changes: Annotated[list[str], _OrDefault] = []
    winner_failure: Annotated[str, _OrDefault] = ""
    resume: dict[str, Any] | None = None


def read_sessions(store: Store, *, only_last: bool = False, resume: bool = False) -> Sequence[Mapping[str, Any]]:
    """The content of each driver session's file, by number; other files are passed over."""
    numbers = [
        match[1] for path in store.files("sessions") if (match := re.fullmatch(r"sessions/([0-9]+)\.json", path))
    ]
    paths = [f"sessions/{number}.json" for number in sorted(numbers, key=int)]
    sessions = []
    for path in paths[-1:] if only_last else paths:
        # The study may be deleted meanwhile.
        with suppress(FileNotFoundError):
            if resume and path == paths[-1]:
                sessions.append(read_session(store, path))
            else:
                sessions.append({**_session(store, path, _without_state(store, path)), "resume": None})
    return sorted(sessions, key=lambda session: int(session["number"]))


def read_session(store: Store, path: str) -> Mapping[str, Any]:
    """The content of a driver session's file."""
    # Read without a size limit: it holds what a resume needs of every trial.
    return _session(store, path, store.read(path))


def _without_state(store: Store, path: str) -> bytes:
    """A session's file without what a resume needs, of which no more than the beginning is read."""
    start = store.read_start(path, _START_BYTES)
    before, found, _ = start.partition(_STATE)
    if found:
        return before + b"}"
    return start if len(start) < _START_BYTES else store.read(path)


def _session(store: Store, path: str, text: bytes) -> Mapping[str, Any]:
    damage: list[str] = []
    try:
        content = from_json(text, "it")
    except StorageError as error:
        raise _no_session(store, path, str(error).partition(". Restore")[0]) from None
    try:
        session = _Session.model_validate(content, context=damage).model_dump()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        fault = _fault(".".join(str(part) for part in first["loc"]) or "the whole", first)
        raise _no_session(store, path, fault) from None
    if session["started"] is None:
        session["started"] = session["heartbeat"] or session["ended"]
        wrong = next((each for each in damage if each.startswith("started: ")), None)
        if wrong is None:
            damage.append(wrong := "started: there is none")
        if session["started"] is None:
            raise _no_session(store, path, wrong)
    copied = session["place"] not in (None, store.place)
    return {**session, "damage": tuple(damage), "copied": copied}


def _no_session(store: Store, path: str, fault: str) -> StorageError:
    return StorageError(
        f"{path} in {store.uri} is not a session file: {fault}. Restore it from a copy; or, if no driver is running, "
        f"continue without it: `tunepipe resume {as_argument(store.uri)} --take-over`."
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
