"""The heartbeat of a driver whose main thread is busy: it loads data, trains an epoch in this process, deletes files.

Another machine takes a driver without a heartbeat for dead, and may resume or delete its study.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pipeline.errors import StorageError, Superseded
from pipeline.results.tables.sessions import BEAT_SECONDS

POLL_SECONDS = BEAT_SECONDS / 6
"""How often the thread looks whether a heartbeat is due."""


@contextmanager
def heartbeat(beat: Callable[[], None]) -> Iterator[None]:
    """Call a function again and again, in a separate thread, while the context is open."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(POLL_SECONDS):
            with suppress(StorageError, Superseded):
                beat()

    thread = threading.Thread(target=look, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
