"""The pages and their parts by address. Handlers that read are plain functions: the server runs each in a thread."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from pipeline.errors import JobNotFound, TunepipeError, UsageError, UserError
from pipeline.page import study_page, trial_page
from pipeline.page.study_cache import PAUSE, StudyCache, StudySnapshot, mark_of
from pipeline.page.study_page import link
from pipeline.results.report import page as report
from pipeline.results.report.sections import Picture, Section
from pipeline.results.tables.load import overview
from pipeline.text import format_number, sanitize, without_keys

_SCRIPT = report.template("page.js").render()
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_REPORT_POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of a report: its own script runs, known by its hash, and nothing is loaded."""

_MAX_BYTES = 100_000
"""The maximum size of a form."""

_LOOK_SECONDS, _BEAT_SECONDS, _TICK_SECONDS = 2.0, 15.0, 0.5
"""Seconds between two looks at what is viewed, at least; between two messages, at most; and until a server that ends
has ended its connections."""


def application(studies: StudyCache, *, control: bool, ending: Callable[[], bool]) -> Starlette:
    """The application; `ending` says whether its server is about to end."""
    pages = _Pages(studies, control=control, ending=ending)
    study, trial = "/studies/{name}", "/studies/{name}/trials/{trial}"
    routes = {
        "/": pages.studies,
        "/events": pages.events,
        "/static/page.css": lambda _: _static(report.template("page.css.jinja").render(), "text/css"),
        "/static/page.js": lambda _: _static(_SCRIPT, "text/javascript"),
        study: pages.study,
        f"{study}/events": pages.events,
        f"{study}/report": pages.report,
        f"{study}/pictures/{{picture}}": pages.study_picture,
        trial: pages.trial,
        f"{trial}/pictures/{{picture}}": pages.trial_picture,
    }
    return Starlette(
        routes=[
            *(Route(path, handler) for path, handler in routes.items()),
            Route(f"{study}/commands", pages.command, methods=["POST"]),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=2000, compresslevel=3)],
        exception_handlers={
            TunepipeError: pages.error,
            HTTPException: pages.refused,
            500: lambda *_: PlainTextResponse(
                "This is a bug in tunepipe; the traceback is in the output of `tunepipe serve`.", 500
            ),
        },
    )


class _Pages:
    def __init__(self, studies: StudyCache, *, control: bool, ending: Callable[[], bool]) -> None:
        self._studies, self._control, self._ending = studies, control, ending
        self._looks: dict[str, asyncio.Task[tuple[str, float]]] = {}

    def studies(self, request: Request) -> Response:
        rows = overview(self._studies.store)
        return self._page("studies.html.jinja", {"mark": mark_of(rows), "rows": rows, "format_number": format_number})

    def study(self, request: Request) -> Response:
        name, query = request.path_params["name"], study_page.TableQuery.of(request.query_params)
        content = study_page.content(self._studies, name, query)
        address = _addresses("studies", name, where=content["where"], metric=query.metric, mark=content["mark"])
        return self._page("live_study.html.jinja", {**content, "picture_address": address})

    def study_picture(self, request: Request) -> Response:
        query = study_page.TableQuery.of(request.query_params)
        return self._picture(request, study_page.pictures_of(self._snapshot(request), query))

    def trial(self, request: Request) -> Response:
        name, trial = request.path_params["name"], request.path_params["trial"]
        content = trial_page.content(self._studies, name, trial)
        address = _addresses("studies", name, "trials", trial, mark=content["mark"])
        return self._page("trial.html.jinja", {**content, "picture_address": address})

    def trial_picture(self, request: Request) -> Response:
        return self._picture(request, trial_page.pictures_of(self._snapshot(request), request.path_params["trial"]))

    def report(self, request: Request) -> Response:
        page = self._snapshot(request).derived("report", report.report_page)
        return HTMLResponse(page, headers={"Content-Security-Policy": _REPORT_POLICY})

    async def command(self, request: Request) -> Response:
        if not self._control:
            raise HTTPException(403, "This page is read-only: `tunepipe serve --control` lets it change studies.")
        content = b""
        async for piece in request.stream():
            content += piece
            if len(content) > _MAX_BYTES:
                raise HTTPException(400, "This form does not belong to the page.")
        name, form = request.path_params["name"], dict(parse_qsl(content.decode(errors="replace")))
        action, trial = form.get("action", ""), form.get("trial", "")
        if action not in study_page.ACTIONS:
            raise HTTPException(400, "This form does not belong to the page.")
        await run_in_threadpool(study_page.act, self._studies, name, action, trial)
        return RedirectResponse(link("studies", name, "trials", trial) if trial else link("studies", name), 303)

    async def events(self, request: Request) -> Response:
        """The mark of a study, or of the list of all, as a server-sent event whenever it has changed."""
        if name := request.path_params.get("name", ""):
            await run_in_threadpool(self._studies.folder, name)
        # A proxy would otherwise collect a response before it passes it on.
        return StreamingResponse(self._marks(name), 200, {"X-Accel-Buffering": "no"}, "text/event-stream")

    async def _marks(self, name: str) -> AsyncIterator[str]:
        known, mark, due, pause = "", "", 0.0, _LOOK_SECONDS
        while not self._ending():
            if (look := self._looks.get(name)) is None or look.done():
                # One look for all viewers, whoever begins it, and none without viewers.
                look = self._looks[name] = asyncio.create_task(self._look(name, pause))
            await asyncio.wait([look], timeout=_TICK_SECONDS)
            if look.done():
                mark, pause = look.result()
            if mark != known or time.monotonic() >= due:
                # Proxies end a silent connection, and the script takes it for lost; it cannot see a comment.
                yield f"data: {mark if mark != known else ''}\n\n"
                known, due = mark, time.monotonic() + _BEAT_SECONDS

    async def _look(self, name: str, pause: float) -> tuple[str, float]:
        """After a pause, the mark, and the pause that follows."""
        await asyncio.sleep(pause)
        begun, mark = time.monotonic(), "-"
        with suppress(TunepipeError):  # which the page itself explains
            mark = await run_in_threadpool(self._studies.mark, name)
        return mark, max(_LOOK_SECONDS, PAUSE * (time.monotonic() - begun))

    def error(self, request: Request, error: Exception) -> Response:
        """The page of an error that a user can fix."""
        status = 404 if isinstance(error, JobNotFound) else 400 if isinstance(error, UsageError) else 500
        return self._failure(request, str(error), status if isinstance(error, UserError) else 500)

    def refused(self, request: Request, error: Exception) -> Response:
        """The page of what there is not, or of a form that is refused."""
        assert isinstance(error, HTTPException)
        text = f"There is no page {request.url.path!r:.200}." if error.status_code == 404 else error.detail
        return self._failure(request, text, error.status_code)

    def _failure(self, request: Request, text: str, status: int) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(f"{without_keys(sanitize(text))}\n", status)
        return self._page("error.html.jinja", {"text": text}, status)

    def _snapshot(self, request: Request) -> StudySnapshot:
        return self._studies.snapshot(request.path_params["name"])

    def _picture(self, request: Request, sections: Sequence[Section]) -> Response:
        pictures = {picture.name: picture for section in sections for picture in section.pictures}
        picture = pictures.get(request.path_params["picture"])
        if picture is None:
            raise HTTPException(404)
        return self._page("picture.html.jinja", {"picture": picture})

    def _page(self, name: str, content: Mapping[str, Any], status: int = 200) -> Response:
        given = {"live": True, "control": self._control, "storage": self._studies.store.uri, "link": link}
        page = report.template(name, "page/templates").render(**{**given, **content})
        return HTMLResponse(without_keys(page), status)


def _static(text: str, kind: str) -> Response:
    return Response(text, media_type=kind, headers={"Cache-Control": "max-age=600"})


def _addresses(*parts: str, **query: str) -> Callable[[Picture], str]:
    """The address of each picture of a page."""
    asked = urlencode({name: value for name, value in query.items() if value})
    return lambda picture: f"{link(*parts, 'pictures')}/{picture.name}?{asked}"
