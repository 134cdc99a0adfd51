"""The pages and their parts by address. Handlers are plain functions: the server runs each in a thread."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pipeline.errors import JobNotFound, TunepipeError, UsageError, UserError
from pipeline.page import study_page, trial_page
from pipeline.page.study_cache import StudyCache, StudySnapshot
from pipeline.page.study_page import link
from pipeline.results.report import page as report
from pipeline.results.report.sections import Picture, Section
from pipeline.results.tables.load import StudyRow
from pipeline.text import format_number, sanitize

_SCRIPT = report.template("page.js").render()
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_REPORT_POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of a report: its own script runs, known by its hash, and nothing is loaded."""

_MAX_BYTES = 100_000
"""The maximum size of a form."""


def application(studies: StudyCache, *, control: bool) -> Starlette:
    """The application."""
    pages = _Pages(studies, control=control)
    study, trial = "/studies/{name}", "/studies/{name}/trials/{trial}"
    routes = {
        "/": pages.studies,
        "/mark": pages.storage_mark,
        "/static/page.css": lambda _: _static(report.template("page.css.jinja").render(), "text/css"),
        "/static/page.js": lambda _: _static(_SCRIPT, "text/javascript"),
        study: pages.study,
        f"{study}/mark": pages.study_mark,
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
    def __init__(self, studies: StudyCache, *, control: bool) -> None:
        self._studies, self._control = studies, control

    def studies(self, request: Request) -> Response:
        rows = self._studies.rows()
        listed = [
            {
                "row": row,
                "best": "–" if row.best is None else format_number(row.best),
                "started": row.started.astimezone().strftime("%Y-%m-%d %H:%M") if row.started else "–",
            }
            for row in reversed(rows)  # the newest first
        ]
        return self._page("studies.html.jinja", {"mark": mark_of(rows), "studies": listed})

    def study(self, request: Request) -> Response:
        name, query = request.path_params["name"], study_page.TableQuery.of(request.query_params)
        content = study_page.content(self._studies, name, query)
        address = _addresses("studies", name, where=query.where, metric=query.metric, mark=content["mark"])
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

    def storage_mark(self, request: Request) -> Response:
        return PlainTextResponse(mark_of(self._studies.rows(recent=True)))

    def study_mark(self, request: Request) -> Response:
        return PlainTextResponse(self._studies.mark(request.path_params["name"]))

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
            return PlainTextResponse(f"{sanitize(text)}\n", status)
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
        return HTMLResponse(report.template(name, "page/templates").render(**{**given, **content}), status)


def _static(text: str, kind: str) -> Response:
    return Response(text, media_type=kind, headers={"Cache-Control": "max-age=600"})


def _addresses(*parts: str, **query: str) -> Callable[[Picture], str]:
    """The address of each picture of a page."""
    asked = urlencode({name: value for name, value in query.items() if value})
    return lambda picture: f"{link(*parts, 'pictures')}/{picture.name}?{asked}"


def mark_of(rows: Sequence[StudyRow]) -> str:
    """A text that changes when the list of studies does."""
    return hashlib.sha256(repr(rows).encode(errors="replace")).hexdigest()[:16]
