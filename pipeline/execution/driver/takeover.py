"""Taking over a study whose last session has not ended, or whose session files cannot be read.

The driver of that session, if it is still alive, ends by itself: before it writes again it finds a higher session
number, or another mark in its own file.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pyarrow.compute as pc

from pipeline.errors import StorageError
from pipeline.execution.sessions import describe_driver
from pipeline.results.tables.sessions import read_session
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.study.studies import as_argument


def take_over(store: Store, note: Callable[[str], None]) -> None:
    """Prepare a study for the next session, whatever state its last one is in, and whether or not its driver is alive.

    A session's file that cannot be read is kept next to a new one, which records the session as interrupted.
    """
    paths = [path for path in store.files("sessions") if layout.names(path) and path.endswith(".json")]
    paths.sort(key=lambda path: int(PurePosixPath(path).stem))
    session: Mapping[str, Any] = {}
    for path in paths:
        try:
            session = read_session(store, path)
        except StorageError as error:
            session = _repaired(store, path, session, error, last=path == paths[-1])
            note(f"{error} It is kept as {layout.damaged_session(session['number'])}, and the study continues.")
    if session and session["state"] == "running":
        note(
            f"Session {session['number']} is taken over: {describe_driver(session)}. If that driver is still alive, it "
            "ends without writing anything more."
        )


def _repaired(
    store: Store, path: str, before: Mapping[str, Any], damage: StorageError, *, last: bool
) -> Mapping[str, Any]:
    """Write a session's file again from what can be read of it and of the session before; keep the damaged content."""
    number, content = int(PurePosixPath(path).stem), store.read(path)
    try:
        values = store.read_json(path, most=None)
    except StorageError:
        values = None
    fields: Mapping[str, Any] = values if isinstance(values, dict) else {}
    resume = fields.get("resume")
    if not isinstance(resume, dict):
        if last and _has_rows(store, number):
            raise StorageError(
                f"{damage} The scheduler's state at the end of session {number} is lost with it, so the study cannot "
                "be resumed. Its tables are complete: start another study from its best configs, `tunepipe run JOB "
                "--name "
                f"NEW --start-from {as_argument(store.uri)}`."
            )
        resume = before.get("resume")
    now = datetime.now(UTC).isoformat()
    seconds = fields.get("seconds")
    whole = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < 1e12
    session = {
        "number": number,
        "state": "interrupted",
        "started": before.get("heartbeat") or now,
        "heartbeat": now,
        "ended": now,
        "seconds": seconds if whole else before.get("seconds", 0.0),
        "message": f"Its file was damaged: {damage}",
        "resume": resume,
    }
    if not store.exists(layout.damaged_session(number)):
        store.write(layout.damaged_session(number), content)
    store.write(path, json.dumps(session))
    return read_session(store, path)


def _has_rows(store: Store, number: int) -> bool:
    """Whether the tables have rows of a session or a later one."""
    newest = 0
    for table in ("epochs", "decisions"):
        try:
            newest = max(newest, pc.max(store.read_table(table)["session"]).as_py() or 0)
        except FileNotFoundError:
            continue
    return newest >= number
