"""What users do with a study from another process: commands, the request to stop, deletion.

Commands and requests are files in the study's folder, which a driver on any machine finds.

A command has a name. The driver executes it once and records its outcome in its session's file, together with the state
that follows from it: a driver that dies in between has done nothing, and the next one does it. A request to stop is
named by the session, so it does not stop a later one.
"""

import json
import secrets
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import ValidationError

from pipeline.engine.commands import COMMANDS, Command
from pipeline.errors import StorageError, StudyExists, UsageError
from pipeline.storage import Store, layout
from pipeline.storage.sessions import SessionRecord, driver_alive, first_fault, read_sessions, state_of
from pipeline.storage.store import from_json
from pipeline.study.files import as_argument, called, contents, listed_entries, no_study, read_job, remove
from pipeline.text import counted, size

_POLL_SECONDS = 0.5
_INBOX_SECONDS = 1.0
_MAX_BYTES = 1_000_000


def running_session(store: Store) -> SessionRecord | None:
    """The session whose driver is alive; None if there is none."""
    sessions = read_sessions(store, only_last=True)
    return sessions[-1] if sessions and state_of(sessions) == "running" else None


def send(store: Store, command: Command) -> str:
    """Leave a command for the driver of a study."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    try:
        content = COMMANDS.dump_json(COMMANDS.validate_python(asdict(command)))
    except ValidationError as error:
        raise UsageError(f"The command is refused. {first_fault(error)}.") from None
    store.write(layout.command(name), content)
    return name


class CommandInbox:
    """Finds the commands that a driver has not executed yet; the storage is read once a second at most."""

    def __init__(self, store: Store) -> None:
        self._store, self._polled = store, time.monotonic()

    def new(self, known: Container[str], *, immediately: bool = False) -> Iterator[tuple[str, Command | str]]:
        """The commands that are new, the oldest first; a sentence in place of a file that is none."""
        now = time.monotonic()
        if not immediately and now - self._polled < _INBOX_SECONDS:
            return
        self._polled = now
        # The next read may succeed; an unreadable command must neither end the study nor hold up those after it.
        with suppress(StorageError):
            for path, length in self._store.sizes("commands"):
                name = layout.command_of(path)
                # Without hard links a new file is empty for a moment.
                if name is not None and name not in known and length:
                    with suppress(StorageError, FileNotFoundError):
                        yield name, self._read(path, length)

    def _read(self, path: str, length: int) -> Command | str:
        if length > _MAX_BYTES:
            return f"It cannot be read: it has {size(length)}."
        content = self._store.read(path)
        try:
            return COMMANDS.validate_python(from_json(content, f"{path} in {self._store.uri}"))
        except ValidationError as error:
            return f"It is not a command: {first_fault(error)}."
        except StorageError as error:
            return f"It cannot be read: {error}"


def outcomes(store: Store) -> Mapping[str, str | None]:
    """Every command of a study, the oldest first, with its outcome; None if it was not executed yet."""
    names = [name for path in store.files("commands") if (name := layout.command_of(path)) is not None]
    sessions = read_sessions(store, only_last=True, resume=True) if names else ()
    known = sessions[-1].resume.get("outcomes") if sessions else None
    return {name: str(known[name]) if isinstance(known, dict) and name in known else None for name in names}


def wait_for_outcome(store: Store, name: str) -> str | None:
    """Wait until a command was executed, or until no driver is alive."""
    while True:
        # In this order: what the last driver did is read after it has ended.
        running = running_session(store) is not None
        if (outcome := outcomes(store).get(name)) is not None or not running:
            return outcome
        time.sleep(_POLL_SECONDS)


def request_stop(store: Store) -> SessionRecord | None:
    """Ask a study's driver to end when the epochs in training are complete; a second request changes nothing."""
    session = running_session(store)
    if session is not None:
        store.create(layout.stop_request(session.number), json.dumps({"asked": datetime.now(UTC).isoformat()}))
    return session


def wait_for_end(store: Store, session: SessionRecord) -> str:
    """Wait until a session has ended, its driver is gone, or another driver has taken the study over."""
    while True:
        sessions = read_sessions(store, only_last=True)
        state = state_of(sessions)
        if state != "running" or sessions[-1].number != session.number:
            return state
        time.sleep(_POLL_SECONDS)


def check_deletable(store: Store) -> str:
    """Make sure that a study may be deleted: no driver runs it, and all files are its own; returns what it has."""
    if store.local is not None and store.local.is_symlink():
        raise StorageError(
            f"{store.uri} is a link to {store.local.readlink()}. Nothing was deleted. Name the folder itself."
        )
    try:
        read_job(store)
    except FileNotFoundError:
        raise no_study(store) from None
    entries = contents(store)
    if entries.untracked:
        raise StorageError(
            f"{store.uri} has entries that are not the study's: {listed_entries(entries.untracked)}. Nothing was "
            "deleted. Move them out of the folder, then delete the study."
        )
    try:
        sessions = read_sessions(store, only_last=True)
    except StorageError as error:
        if error.__cause__ is not None:
            # The storage does not answer.
            raise
        # A driver that is alive after all finds its session's damaged file gone, and ends.
        sessions = []
    if sessions and driver_alive(store, sessions[-1]):
        raise StudyExists(
            f"The study {called(store.uri)!r} is running. Nothing was deleted. Stop it first: `tunepipe stop "
            f"{as_argument(store.uri)}`."
        )
    of_trials = sum(layout.file_of(entry.path) is not None for entry in entries.own)
    folders = f", of which {of_trials:,} in the working folders of its trials" if of_trials else ""
    return f"{counted(len(entries.own), 'file')}, {size(sum(entry.size for entry in entries.own))}{folders}."


def delete(store: Store) -> None:
    check_deletable(store)
    remove(store)
