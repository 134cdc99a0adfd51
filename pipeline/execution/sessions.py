"""A driver's own file within a study: it takes the next number, tells that the driver is alive, and fences it off.

After a lost head two drivers can be at work on one study. Each has a number of its own; whoever sees a higher one, or
somebody else's mark under its own, has been replaced and must not write another byte.
"""

import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias

import psutil

from pipeline.errors import Superseded
from pipeline.results.sessions import SILENT_SECONDS, read_sessions
from pipeline.storage import Store
from pipeline.study import layout

__all__ = ["DriverSession", "SessionState", "at_work", "check_newest"]

SessionState: TypeAlias = Literal["running", "finished", "interrupted", "failed"]

_POLL_SECONDS = 1.0
_SAME_START = 1.0
"""Seconds by which two readings of when a process started may differ."""


class DriverSession:
    """This driver's session: its number and its file.

    Args:
        store: The study's folder.
        number: Its number, from 1; the last session's plus one.
    """

    def __init__(self, store: Store, number: int) -> None:
        self.number = number
        self._store = store
        self._mark = uuid.uuid4().hex
        self._started = datetime.now(UTC)
        self._taken = False

    def tell(
        self, state: SessionState, message: str, *, seconds: float, workers: int | None, resume: Mapping[str, Any]
    ) -> None:
        """Write the file: the heartbeat, and what a resumed study needs beside the tables.

        Args:
            state: What the driver is doing, or how it ended.
            message: Why it ended, in words; empty if there is nothing to say.
            seconds: Seconds a driver of this study was alive, earlier sessions included.
            workers: How many trials are trained at once at most, if that is known.
            resume: JSON values.

        Raises:
            Superseded: Another driver has taken the study over.
        """
        now = datetime.now(UTC)
        content = json.dumps(
            {
                "number": self.number,
                "mark": self._mark,
                "state": state,
                "started": self._started.isoformat(),
                "heartbeat": now.isoformat(),
                "ended": None if state == "running" else now.isoformat(),
                "seconds": seconds,
                "workers": workers,
                "host": platform.node(),
                "pid": os.getpid(),
                "process_started": psutil.Process().create_time(),
                "message": message,
                "resume": resume,
            },
            allow_nan=False,
        )
        path = layout.session(self.number)
        if not self._taken:
            if not self._store.create(path, content):
                where = self._store.uri
                raise Superseded(f"Another driver has just begun session {self.number} of the study in {where}.")
            self._taken = True
            return
        self.check()
        self._store.write(path, content)

    def check(self) -> None:
        """Make sure that the study is still this driver's.

        Raises:
            Superseded: Another driver has taken it over.
        """
        if not self._taken:
            return
        check_newest(self._store, self.number)
        if self._marked() != self._mark:
            raise _superseded(self._store, self.number, self.number)

    def _marked(self) -> str | None:
        try:
            mark: str | None = json.loads(self._store.read(layout.session(self.number))).get("mark")
        except (FileNotFoundError, ValueError):
            return None
        return mark


def check_newest(store: Store, number: int) -> None:
    """Make sure that no later session has begun.

    Args:
        store: The study's folder.
        number: The session on whose behalf something is about to be written.

    Raises:
        Superseded: One has.
    """
    names = [PurePosixPath(path).stem for path in store.files("sessions")]
    newest = max((int(name) for name in names if name.isdigit()), default=0)
    if newest > number:
        raise _superseded(store, number, newest)


def _superseded(store: Store, number: int, newest: int) -> Superseded:
    return Superseded(
        f"Another driver, session {newest}, has taken over the study in {store.uri}. "
        f"This one, session {number}, ends without touching it any more."
    )


def at_work(store: Store, session: Mapping[str, Any], note: Callable[[str], None]) -> bool:
    """Whether the driver of a session that has not ended may still be at work.

    On this machine its process tells. Elsewhere its heartbeat does: it is watched, by this machine's own clock, until
    it moves or has stood still long enough; clocks of two machines may differ.

    Args:
        store: The study's folder.
        session: The last session, as its file has it.
        note: Is told that there is something to wait for.
    """
    if session["state"] != "running":
        return False
    if session["host"] == platform.node():
        return _process_lives(session)
    age = (datetime.now(UTC) - datetime.fromisoformat(session["heartbeat"])).total_seconds()
    if age > SILENT_SECONDS:
        return False
    left = SILENT_SECONDS - max(age, 0.0)
    note(
        f"Session {session['number']} on {session['host']} has not ended: waiting up to {left:.0f} s for a sign of it."
    )
    until = time.monotonic() + left
    while time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        last = read_sessions(store)[-1]
        if last["heartbeat"] != session["heartbeat"] or last["number"] != session["number"]:
            return str(last["state"]) == "running"
    return False


def _process_lives(session: Mapping[str, Any]) -> bool:
    """Whether that very process is there: its number alone may be another's by now."""
    try:
        process = psutil.Process(session["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started = session.get("process_started")
        if started is None:
            return True
        return abs(float(process.create_time()) - float(started)) < _SAME_START
    except (psutil.NoSuchProcess, ValueError):
        return False
