"""Stopping a whole study: asks its driver to end, by a signal on its machine and by a file from anywhere.

The driver looks for the file in the study's folder at its heartbeat. The file is named by the session, so it does not
stop a later one. A single trial is stopped by a command (`command_files.py`), or by the study's own decisions
(`pipeline/engine/engine.py`).
"""

import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pipeline.storage import Store
from pipeline.storage.processes import handles, identity, lives
from pipeline.storage.sessions import Watch, read_sessions, state_in
from pipeline.study import layout

_POLL_SECONDS = 0.5


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
