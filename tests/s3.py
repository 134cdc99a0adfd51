"""An object store for tests: moto's S3 server on loopback, which keeps the requests."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
"""Environment variables with which a client may use it."""


class ObjectStore:
    """A server with one bucket, named bucket, and the requests that it has answered."""

    def __init__(self, endpoint: str, requests: list[tuple[str, str]]) -> None:
        self.endpoint, self.requests = endpoint, requests

    def uri(self, path: str) -> str:
        """The URI of a path in the bucket."""
        return f"s3://bucket/{path}?endpoint_override={self.endpoint}&scheme=http&region=us-east-1"


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Run a server while the context is open; its clients need CREDENTIALS."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    requests: list[tuple[str, str]] = []
    answer = DomainDispatcherApplication(create_backend_app)

    def counting(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"] + (f"?{query}" if query else "")))
        return answer(environ, start)  # type: ignore[no-any-return]

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        endpoint = f"127.0.0.1:{server.server_port}"
        urlopen(Request(f"http://{endpoint}/bucket", method="PUT")).close()
        requests.clear()
        yield ObjectStore(endpoint, requests)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
