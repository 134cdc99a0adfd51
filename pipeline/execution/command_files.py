"""Commands to the driver of a study: files in the study's folder, which a driver on any machine finds.

Each has an id. The driver executes it once and records its outcome in its session's file, together with
the state that follows from it: a driver that dies in between has done nothing, and the next one does it.
"""

import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.engine.commands import Command, command_object
from pipeline.errors import StorageError, UsageError
from pipeline.storage import Store
from pipeline.storage.sessions import Watch, read_sessions, state_in, state_of
from pipeline.study import layout

_POLL_SECONDS = 0.5


def running_session(store: Store, *, certain: bool = True) -> Mapping[str, Any] | None:
    """The session whose driver is alive; None if there is none."""
    sessions = read_sessions(store, only_last=True, resume=True)
    state = state_in(store, sessions) if certain else state_of(sessions, datetime.now(UTC))
    return sessions[-1] if sessions and state == "running" else None


def send(store: Store, command: Command) -> str:
    """Leave a command for the driver of a study."""
    try:
        text = json.dumps(command_object(command), allow_nan=False)
    except ValueError as error:
        raise UsageError(f"The command cannot be written: {error}.") from None
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    if not store.create(layout.command(name), text):
        raise StorageError(f"A command named {name} already exists in {store.uri}; run the command again.")
    return name


def outcomes(store: Store) -> Mapping[str, str | None]:
    """Every command of a study, the oldest first, with its outcome; None if it was not executed yet."""
    names = [name for path in store.files("commands") if (name := layout.command_of(path)) is not None]
    sessions = read_sessions(store, only_last=True, resume=True) if names else ()
    known = _known(sessions[-1]) if sessions else {}
    return {name: known.get(name) for name in names}


def wait_for_outcome(store: Store, name: str) -> str | None:
    """Wait until a command was executed, or until no driver is alive."""
    watch = Watch()
    while True:
        # In this order: what the last driver did is read after it has ended.
        running = watch.state(read_sessions(store, only_last=True)) == "running"
        sessions = read_sessions(store, only_last=True, resume=True)
        if sessions and (outcome := _known(sessions[-1]).get(name)) is not None:
            return outcome
        if not running:
            return None
        time.sleep(_POLL_SECONDS)


def is_paused(session: Mapping[str, Any]) -> bool:
    """Whether a user has paused a session."""
    return bool((session.get("resume") or {}).get("paused"))


def _known(session: Mapping[str, Any]) -> Mapping[str, str]:
    outcomes = (session.get("resume") or {}).get("outcomes")
    return {str(name): str(outcome) for name, outcome in outcomes.items()} if isinstance(outcomes, dict) else {}
