"""A store of Google's for tests: an emulator on loopback, in a separate process.

pyarrow's client of it waits for answers without releasing Python's lock, so that no thread of the test could answer.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.processes import wait_for


class GoogleStore:
    """A server with one bucket, named bucket."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def uri(self, path: str) -> str:
        """The URI of a path in the bucket."""
        return f"gs://anonymous@bucket/{path}?scheme=http&endpoint_override={self.endpoint}"


@contextmanager
def google_store() -> Iterator[GoogleStore]:
    """Run a server while the context is open."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--host=127.0.0.1", f"--port={port}", "--default-bucket=bucket", "--in-memory", "--quiet"]
    with subprocess.Popen([sys.executable, "-m", "gcp_storage_emulator", "start", *options]) as server:
        try:
            wait_for(lambda: _answers(port), server)
            yield GoogleStore(f"127.0.0.1:{port}")
        finally:
            server.kill()


def _answers(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
