"""The live page, served by this process to tests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.page.server import GRACE_SECONDS, page_server
from pipeline.storage import Store


@contextmanager
def serving(storage: Path | str, *, token: str | None = None, control: bool = False, port: int = 0) -> Iterator[str]:
    """The address of the page of a storage, as long as the context is open."""
    server = page_server(Store(storage), token=token, control=control)
    listening = socket.create_server(("127.0.0.1", port))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10 * GRACE_SECONDS)
        assert not thread.is_alive()
