"""Access to the server, and what its responses allow a browser to do.

On a loopback address only this machine can send requests; the names of host and origin exclude pages of other sites
in the same browser. On any other address each request needs the token.
"""

import hmac
import ipaddress
import secrets
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "tunepipe"
"""The cookie that holds the token, once the link with it was opened."""

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


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(32)


class Guard:
    """Passes permitted requests on, and adds security headers to every response."""

    def __init__(self, app: ASGIApp, *, token: str | None = None) -> None:
        self._app, self._token = app, token

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
        if scope["method"] not in ("GET", "HEAD") and not _same_origin(headers):
            return PlainTextResponse("Only a form of this page may do that.", 403)
        return None

    def _signed_in(self, scope: Scope, query: dict[str, str]) -> Response:
        """Keep the token in a cookie, so that it does not stay in the address and in the browser's history."""
        rest = urlencode({name: value for name, value in query.items() if name != "token"})
        # Two slashes at the beginning would be the address of another server.
        path = "/" + scope["path"].lstrip("/")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.set_cookie(COOKIE, self._token or "", httponly=True, samesite="lax", secure=scope["scheme"] == "https")
        return answer

    def _knows(self, headers: Headers) -> bool:
        bearer = headers.get("authorization", "")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        return self._is_token(cookie) or (bearer.startswith("Bearer ") and self._is_token(bearer[len("Bearer ") :]))

    def _is_token(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), (self._token or "").encode())


def _name_of(host: str) -> str:
    """The name in a Host header, without its port; empty if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same_origin(headers: Headers) -> bool:
    """Whether a page of this server sent the request, or a program without the headers of browsers."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin.partition("://")[2] == headers.get("host")
