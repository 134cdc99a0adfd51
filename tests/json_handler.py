"""What the servers that stand for Ray and Kubernetes have in common: they answer in JSON and log nothing."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


@contextmanager
def running(server: HTTPServer) -> Iterator[None]:
    """A context in which a server answers, in a separate thread."""
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


class JsonHandler(BaseHTTPRequestHandler):
    """Handles requests without a log."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def answer(self, status: int, body: object) -> None:
        """Send text and bytes as they are, and other values as JSON."""
        plain = body.encode() if isinstance(body, str) else body
        content = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(plain, bytes) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
