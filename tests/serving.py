"""The live page, served by this process to tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from pipeline.page.app import application
from pipeline.page.server import GRACE_SECONDS, Guard
from pipeline.page.study_cache import StudyCache
from pipeline.storage import Store


@contextmanager
def serving(storage: Path | str, *, token: str | None = None, control: bool = False) -> Iterator[str]:
    """The address of the page of a storage, as long as the context is open."""
    config = uvicorn.Config(
        Guard(application(StudyCache(Store(storage)), control=control), token=token),
        port=0,
        log_level="error",
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    config.load()
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    # Who asks before the server is ready waits for it.
    listening.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10 * GRACE_SECONDS)
        assert not thread.is_alive()
