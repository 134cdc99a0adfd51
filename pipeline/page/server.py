"""The server behind `tunepipe serve`: one process, one port, no stored state."""

import os
import socket
from collections.abc import Callable

import uvicorn

from pipeline.errors import JobNotFound, UsageError
from pipeline.page.app import application
from pipeline.page.guard import Guard, is_loopback, new_token
from pipeline.page.study_cache import StudyCache
from pipeline.storage import Store
from pipeline.study import layout

TOKEN_VARIABLE = "TUNEPIPE_TOKEN"
"""The environment variable with the token, where a page of several restarts keeps its own."""

GRACE_SECONDS = 3
"""Seconds that an ending server waits for responses that are being sent."""

_MIN_TOKEN_LENGTH = 16


def serve(store: Store, *, host: str, port: int, control: bool, on_address: Callable[[str], None]) -> None:
    """Serve the page of a storage until the process is interrupted."""
    if store.local is not None and not store.local.is_dir():
        # A mistyped folder would be a page without studies forever.
        raise JobNotFound(f"There is no folder {store.uri}: name the storage of studies, a folder or a URI.")
    if store.exists(layout.STUDY):
        raise UsageError(f"{store.uri} is a study: name the storage that contains it.")
    token = _token(host)
    listening = _listen(host, port)
    # Of all addresses a browser can open that of this machine's name.
    name = socket.gethostname() if host in ("", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}/"
    ends: list[uvicorn.Server] = []
    app = application(StudyCache(store), control=control, closing=lambda: any(each.should_exit for each in ends))
    config = uvicorn.Config(
        Guard(app, token=token),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # The caller knows its own token; it must not appear in a log.
    on_address(address if token is None or TOKEN_VARIABLE in os.environ else f"{address}?token={token}")
    server = uvicorn.Server(config)
    ends.append(server)
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()


def _token(host: str) -> str | None:
    given = os.environ.get(TOKEN_VARIABLE)
    if given is not None and len(given) < _MIN_TOKEN_LENGTH:
        raise UsageError(f"{TOKEN_VARIABLE} must have at least {_MIN_TOKEN_LENGTH} characters; found {len(given)}.")
    return given or (None if is_loopback(host) else new_token())


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # A client that opens the address as soon as it is printed waits for the server instead of being refused.
        listening.listen()
    except (OSError, UnicodeError, OverflowError) as error:
        raise UsageError(
            f"The page cannot be served on {host!r:.100}, port {port}: {getattr(error, 'strerror', None) or error}. "
            "--host names another address, --port another port, 0 any that is free."
        ) from None
    return listening
