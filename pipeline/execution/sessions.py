"""The files of a study's sessions, as other processes read them: who drives the study, and is that driver alive."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import StorageError, Superseded
from pipeline.results.tables.sessions import SILENT_SECONDS, read_sessions, state_of
from pipeline.storage import Store
from pipeline.storage.processes import lives
from pipeline.study import layout
from pipeline.study.studies import as_argument, called

_POLL_SECONDS = 1.0


def check_newest(store: Store, number: int) -> None:
    """Make sure that no later session has begun."""
    names = [PurePosixPath(path).stem for path in store.files("sessions")]
    newest = max((int(name) for name in names if name.isdigit()), default=0)
    if newest > number:
        raise superseded(store, number, newest)


def superseded(store: Store, number: int, newest: int) -> Superseded:
    """The error of a session that another driver has replaced."""
    if newest == number:
        # Both drivers took the number at the same time, or the session's file was replaced.
        who, this = f"Another driver of session {number}", "This one"
    else:
        who, this = f"Another driver, session {newest},", f"This one, session {number},"
    return Superseded(f"{who} has taken over the study {called(store.uri)!r}. {this} ends and changes nothing more.")


def describe_driver(session: Mapping[str, Any]) -> str:
    """The driver of a session and its last heartbeat, for a message."""
    who = f"process {session['pid']} on {session['host']}" if session["host"] else "a driver whose host is not recorded"
    return f"{who}, last heartbeat at {session['heartbeat']}" if session["heartbeat"] else who


def driver_alive(store: Store, session: Mapping[str, Any], note: Callable[[str], None]) -> bool:
    """Whether the driver of a session that has not ended may still be alive.

    On this machine its process decides. On others its heartbeat counts as long as the storage's clock says; a younger
    one is watched until it moves or is too old, and so is any where the storage cannot be written. The clocks of the
    two machines may differ.
    """
    if session["state"] != "running":
        return False
    if (alive := lives(session)) is not None:
        return alive
    path = layout.session(session["number"])
    left = SILENT_SECONDS - max(_silence(store, session) or 0.0, 0.0)
    if left < 0:
        return False
    damage = f" {path} is damaged: {'; '.join(session['damage'])}." if session["damage"] else ""
    note(
        f"Session {session['number']} has not ended: {describe_driver(session)}.{damage} Waiting up to {left:.0f} s "
        f"for its next heartbeat; `tunepipe resume {as_argument(store.uri)} --take-over` does not wait."
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
    paths = [path for path in store.files("sessions") if path.endswith(".json")]
    try:
        return paths, store.read(max(paths, key=lambda path: (len(path), path))) if paths else b""
    except FileNotFoundError:
        return paths, b""
