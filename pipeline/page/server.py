"""The server behind `tunepipe serve`: one process, one port, no stored state; and who has access to it.

On a loopback address only this machine can send requests; the names of host and origin exclude pages of other sites
in the same browser. On any other address each request needs the token.
"""

import hashlib
import hmac
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.errors import JobNotFound, UsageError
from pipeline.page.app import application
from pipeline.page.study_cache import StudyCache
from pipeline.storage import Store, layout

TOKEN_VARIABLE = "TUNEPIPE_TOKEN"
"""The environment variable with the token, where a page of several restarts keeps its own."""

GRACE_SECONDS = 3
"""Seconds that an ending server waits for responses that are being sent."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Only the server's own files are loaded, and no inline script or style runs."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_TOKEN = re.compile(r"[A-Za-z0-9._~=/-]{16,}")  # what neither a cookie nor an address changes


def serve(store: Store, *, host: str, port: int, control: bool, on_address: Callable[[str], None]) -> None:
    """Serve the page of a storage until the process is interrupted."""
    if store.local is not None and not store.local.is_dir():
        # A mistyped folder would be a page without studies forever.
        raise JobNotFound(f"There is no folder {store.uri}: name the storage of studies, a folder or a URI.")
    if store.exists(layout.STUDY):
        raise UsageError(f"{store.uri} is a study: name the storage that contains it.")
    token = _token(host, control=control)
    # The caller knows its own token; it must not appear in a log.
    shown = f"${TOKEN_VARIABLE}" if TOKEN_VARIABLE in os.environ else token
    # Of all addresses a browser can open that of this machine's name.
    name = socket.gethostname() if host in ("", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    with _listen(host, port) as listening:
        address = f"http://{name}:{listening.getsockname()[1]}/"
        on_address(address if token is None else f"{address}?token={shown}")
        page_server(store, token=token, control=control).run(sockets=[listening])


def page_server(store: Store, *, token: str | None, control: bool) -> uvicorn.Server:
    """The server of the page of a storage, which does not listen yet."""
    app = application(StudyCache(store), control=control, ending=lambda: server.should_exit)
    config = uvicorn.Config(
        Guard(app, token=token),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    return server


def _token(host: str, *, control: bool) -> str | None:
    given = os.environ.get(TOKEN_VARIABLE)
    if given is not None and not _TOKEN.fullmatch(given):
        found = f"found {len(given)}" if len(given) < 16 else "found others, too"
        raise UsageError(f"{TOKEN_VARIABLE} must be at least 16 characters of A-Z, a-z, 0-9 and ._~=/-; {found}.")
    # Other users of this machine reach its loopback, too.
    return given or (None if is_loopback(host) and not control else secrets.token_urlsafe(32))


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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Passes permitted requests on, and adds security headers to every response."""

    def __init__(self, app: ASGIApp, *, token: str | None = None) -> None:
        self._app, self._token = app, token
        # It holds the token, once the link was opened. A browser has the cookies of all ports of a host together.
        self._cookie = f"tunepipe-{hashlib.sha256((token or '').encode()).hexdigest()[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, safe)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, query = Headers(scope=scope), dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if self._token is None:
            if not is_loopback(_name_of(headers.get("host", ""))):
                return PlainTextResponse("Open this page by the address that tunepipe printed.", 421)
        elif self._is_token(query.get("token")):
            return self._signed_in(scope, query)
        elif not self._knows(headers):
            text = "This page needs the token: open the link that `tunepipe serve` printed."
            return PlainTextResponse(text, 401, {"WWW-Authenticate": "Bearer"})
        # A link of another site may open a page; its own pages may not load what costs the server work.
        opens = scope["method"] in ("GET", "HEAD") and headers.get("sec-fetch-dest", "document") == "document"
        if not opens and not _same_origin(headers):
            return PlainTextResponse("Only a page of this server may do that.", 403)
        return None

    def _signed_in(self, scope: Scope, query: dict[str, str]) -> Response:
        """Keep the token in a cookie, so that it does not stay in the address and in the browser's history."""
        rest = urlencode({name: value for name, value in query.items() if name != "token"})
        # Two slashes at the beginning would be the address of another server.
        path = "/" + scope["path"].lstrip("/")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        secure = scope["scheme"] == "https"
        answer.set_cookie(self._cookie, self._token or "", httponly=True, samesite="lax", secure=secure)
        return answer

    def _knows(self, headers: Headers) -> bool:
        bearer = headers.get("authorization", "")
        cookie = cookie_parser(headers.get("cookie", "")).get(self._cookie)
        return self._is_token(cookie) or (bearer.startswith("Bearer ") and self._is_token(bearer[len("Bearer ") :]))

    def _is_token(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), (self._token or "").encode())


def _name_of(host: str) -> str:
    """The name in a Host header, without its port; empty if there is none."""
    found = re.fullmatch(r"(\[[^]]*\]|[^:\[\]]*)(:\d*)?", host)
    return found[1] if found else ""


def _same_origin(headers: Headers) -> bool:
    """Whether a page of this server sent the request, or a program without the headers of browsers."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin.partition("://")[2] == headers.get("host")
