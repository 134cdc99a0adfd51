"""Finds the commands of users in a study's folder."""

import time
from collections import Counter
from collections.abc import Container, Iterator

from pydantic import ValidationError

from pipeline.engine.commands import Command, command_from
from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.store import from_json
from pipeline.study import layout

_POLL_SECONDS = 1.0
_MAX_BYTES = 1_000_000
_MAX_ATTEMPTS = 60
"""A file that could not be read this many times in a row, for at least a minute, will not be readable."""


class CommandInbox:
    """Finds commands that were not executed yet; the storage is read once a second at most."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._polled = time.monotonic()
        self._unread: Counter[str] = Counter()

    def new(self, known: Container[str], *, immediately: bool = False) -> Iterator[tuple[str, Command | str]]:
        """The commands that are new, the oldest first."""
        now = time.monotonic()
        if not immediately and now - self._polled < _POLL_SECONDS:
            return
        self._polled = now
        try:
            files = self._store.sizes("commands")
        except StorageError:
            # The next read may succeed; an unreadable command must not end the study.
            return
        for path, size in files:
            name = layout.command_of(path)
            if name is not None and name not in known and (found := self._read(path, size)) is not None:
                yield name, found

    def _read(self, path: str, size: int) -> Command | str | None:
        """The command in a file, or a sentence why it has none; None if the next read may succeed."""
        try:
            content = self._store.read(path, most=_MAX_BYTES)
        except (StorageError, FileNotFoundError) as error:
            return f"It cannot be read: {error}" if size > _MAX_BYTES else self._for_good(path, str(error))
        if not content:
            # Without hard links a new file is empty for a moment.
            return self._for_good(path, "it is empty.")
        del self._unread[path]
        try:
            return command_from(from_json(content, f"{path} in {self._store.uri}"))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return f"It is not a command: {first['msg']}."
        except StorageError as error:
            return f"It cannot be read: {error}"

    def _for_good(self, path: str, why: str) -> str | None:
        """A sentence why a file cannot be read, if too many looks have failed; else None."""
        self._unread[path] += 1
        return f"It cannot be read: {why}" if self._unread[path] >= _MAX_ATTEMPTS else None
