"""The commands of users that lie in a study's folder, as its driver finds them."""

import time
from collections.abc import Container, Iterator

from pydantic import ValidationError

from pipeline.errors import StorageError
from pipeline.loop.commands import Command, command_from
from pipeline.storage import Store
from pipeline.study import layout

__all__ = ["CommandInbox"]

_LOOK_SECONDS = 1.0
_MOST_BYTES = 1_000_000


class CommandInbox:
    """Finds commands that were not carried out yet; the storage is read once a second at most.

    Args:
        store: The study's folder.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looked = time.monotonic()

    def new(self, known: Container[str]) -> Iterator[tuple[str, Command | str]]:
        """The commands that are new, the oldest first.

        Args:
            known: The ids of commands that were carried out.

        Yields:
            Each command's id, and the command; or a sentence why it cannot be read.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        try:
            paths = self._store.files("commands")
        except StorageError:
            # The next read may succeed; an unreadable command must not end the study.
            return
        for path in paths:
            name = layout.command_of(path)
            if name is not None and name not in known:
                yield name, self._read(path)

    def _read(self, path: str) -> Command | str:
        try:
            return command_from(self._store.read_json(path, most=_MOST_BYTES))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return f"It is not a command: {first['msg']}."
        except (StorageError, FileNotFoundError) as error:
            return f"It cannot be read: {error}"
