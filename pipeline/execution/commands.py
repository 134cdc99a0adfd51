"""Requests to the driver of a study: files in the study's folder, which a driver on any machine finds.

A command has an id. The driver executes it once and records its outcome in its session's file, together with the state
that follows from it: a driver that dies in between has done nothing, and the next one does it. A request to stop is
named by the session, so it does not stop a later one; on the driver's machine a signal comes with it.
"""

import json
import os
import secrets
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pipeline.engine.commands import Command, command_object
from pipeline.errors import StorageError, UsageError
from pipeline.storage import Store
from pipeline.storage.processes import handles, identity, lives
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


def request_stop(store: Store) -> Mapping[str, Any] | None:
    """Ask a study's driver to end when the epochs in training are over; a second request changes nothing."""
    sessions = read_sessions(store, only_last=True)
    if state_in(store, sessions) != "running":
        return None
    session = sessions[-1]
    request = json.dumps({"asked": datetime.now(UTC).isoformat(), **identity()})
    first = store.create(layout.stop_request(session["number"]), request)
    # A second signal would end the driver in the middle of an epoch, and a process without a handler would be killed
    # with everything else that runs in it. The file may name a handler that no longer exists: a notebook's process
    # continues after a study whose end could not be written, for example to a full disk.
    takes_signals = session["takes_signals"] and handles(session["pid"], signal.SIGTERM) is not False
    if first and takes_signals and lives(session):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(session["pid"], signal.SIGTERM)
    return session


def wait_for_end(store: Store, session: Mapping[str, Any]) -> str:
    """Wait until a session has ended, its driver is gone, or another driver has taken the study over."""
    watch = Watch()
    while True:
        sessions = read_sessions(store, only_last=True)
        state = watch.state(sessions)
        if state != "running" or not sessions or sessions[-1]["number"] != session["number"]:
            return state
        time.sleep(_POLL_SECONDS)
