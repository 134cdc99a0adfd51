"""What Ray and Ray Tune print in the driver's process: it would break the display and --json."""

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.study import layout

_OF_RAY = ("ray", "Dummy")
"""How the names of threads begin from which Ray prints; Python calls a thread that it has not started Dummy."""


class _Output(io.StringIO):
    """Collects what the study's own thread and those of Ray print; other threads of the program print as before."""

    def __init__(self, others: TextIO) -> None:
        super().__init__()
        self._others, self._own = others, threading.get_ident()

    def write(self, text: str) -> int:
        """Collect a text, or pass it on."""
        if threading.get_ident() == self._own or threading.current_thread().name.startswith(_OF_RAY):
            return super().write(text)
        return self._others.write(text)

    def flush(self) -> None:
        """Flush what was passed on."""
        if threading.get_ident() != self._own:
            self._others.flush()


@contextlib.contextmanager
def logged_output(store: Store) -> Iterator[None]:
    """Keep what Ray prints within the context in the study's log of the driver.

    Ray prints from its own threads, whatever log_to_driver says.
    """
    output = _Output(sys.stdout)
    try:
        with contextlib.redirect_stdout(output):
            yield
    finally:
        if text := output.getvalue():
            # A study does not end because of this log: a broken storage is reported where results would be lost.
            with contextlib.suppress(StorageError):
                store.append(layout.log("driver"), text.encode())
