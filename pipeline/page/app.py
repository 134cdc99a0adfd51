"""The pages and their parts by address. Handlers are plain functions: the server runs each in a thread."""

import asyncio
import base64
import hashlib
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from pipeline.errors import JobNotFound, StorageError, TunepipeError, UsageError, UserError
from pipeline.page import controls, study_page, trial_page
from pipeline.page.study_cache import StudyCache, StudyLine
from pipeline.page.study_page import link
from pipeline.results.report import page as report
from pipeline.results.report.picture import Picture, Section
from pipeline.results.views.comparison import compared
from pipeline.results.views.explanation import explanation_tables
from pipeline.text import format_number, rough_duration, sanitize

_SCRIPT = report.template("page.js").render()
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_REPORT_POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of a report: its own script runs, known by its hash, and nothing is loaded."""

_MAX_STUDIES = 8
_MAX_BYTES = 100_000
"""The maximum size of a form."""
_POLL_SECONDS, _SILENT_SECONDS = 1.0, 15.0
"""Seconds between two looks at a study, and after which without a change an event says that the server answers."""


def application(studies: StudyCache, *, control: bool = False, closing: Callable[[], bool] = bool) -> Starlette:
    """The application."""
    pages = _Pages(studies, control=control, closing=closing)
    study, trial = "/studies/{name}", "/studies/{name}/trials/{trial}"
    routes = {
        "/": pages.studies,
        "/events": pages.storage_events,
        "/compare": pages.comparison,
        "/compare/events": pages.comparison_events,
        "/compare/pictures/{picture}": pages.comparison_picture,
        "/static/page.css": pages.style,
        "/static/page.js": pages.script,
        study: pages.study,
        f"{study}/events": pages.study_events,
        f"{study}/explain": pages.explanation,
        f"{study}/explain/tables": pages.explanation_tables,
        f"{study}/report": pages.report,
        f"{study}/pictures/{{picture}}": pages.study_picture,
        trial: pages.trial,
        f"{trial}/pictures/{{picture}}": pages.trial_picture,
        f"{trial}/log": pages.log,
        f"{trial}/checkpoint": pages.checkpoint,
        f"{trial}/files/{{path:path}}": pages.file,
    }
    return Starlette(
        routes=[
            *(Route(path, handler) for path, handler in routes.items()),
            Route(f"{study}/commands", pages.command, methods=["POST"]),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=2000, compresslevel=3)],
        exception_handlers={
            TunepipeError: pages.error,
            400: pages.refused,
            403: pages.refused,
            404: pages.not_found,
            500: lambda *_: PlainTextResponse(
                "This is a bug in tunepipe; the traceback is in the output of `tunepipe serve`.", 500
            ),
        },
    )


class _Pages:
    def __init__(self, studies: StudyCache, *, control: bool, closing: Callable[[], bool]) -> None:
        self._studies, self._control, self._closing = studies, control, closing

    def studies(self, request: Request) -> Response:
        lines = self._studies.lines()
        return self._page("studies.html.jinja", {"mark": mark_of(lines), "studies": [_listed(line) for line in lines]})

    def study(self, request: Request) -> Response:
        name, query = request.path_params["name"], study_page.TableQuery.of(request.query_params)
        content = study_page.content(self._studies, name, query)
        where = {"where": query.where, "metric": query.metric, "mark": content["mark"]}
        address = _addresses(link("studies", name, "pictures"), where.items())
        return self._page("live_study.html.jinja", {**content, **self._controls(name), "picture_address": address})

    def study_picture(self, request: Request) -> Response:
        query = study_page.TableQuery.of(request.query_params)
        return self._picture(request, study_page.pictures_of(self._snapshot(request), query))

    def trial(self, request: Request) -> Response:
        name, trial = request.path_params["name"], request.path_params["trial"]
        content = trial_page.content(self._studies, name, trial)
        address = _addresses(link("studies", name, "trials", trial, "pictures"), [("mark", content["mark"])])
        return self._page("trial.html.jinja", {**content, **self._controls(name, trial), "picture_address": address})

    def trial_picture(self, request: Request) -> Response:
        return self._picture(request, trial_page.pictures_of(self._snapshot(request), request.path_params["trial"]))

    def comparison(self, request: Request) -> Response:
        names, content = self._compared(request)
        query = [("study", name) for name in names]
        mark = self._comparison_mark(names)
        extra: dict[str, Any] = {"mark": mark, "events": f"/compare/events?{urlencode(query)}"}
        extra["picture_address"] = _addresses("/compare/pictures", [*query, ("mark", mark)])
        return self._page("comparison.html.jinja", {**content, **extra})

    def comparison_picture(self, request: Request) -> Response:
        return self._picture(request, self._compared(request)[1]["sections"])

    def explanation(self, request: Request) -> Response:
        name, snapshot = request.path_params["name"], self._snapshot(request)
        content = {"name": name, "state": snapshot.results.state, "mark": snapshot.mark}
        return self._page("explanation.html.jinja", {**content, "trials": len(snapshot.results.trials)})

    def explanation_tables(self, request: Request) -> Response:
        tables = self._snapshot(request).derived("explanation", explanation_tables)
        return self._page("tables.html.jinja", {"tables": tables})

    def report(self, request: Request) -> Response:
        text = self._snapshot(request).derived("report", report.report_page)
        return HTMLResponse(text, headers={"Content-Security-Policy": _REPORT_POLICY})

    async def command(self, request: Request) -> Response:
        if not self._control:
            raise HTTPException(403)
        name, form = request.path_params["name"], dict(parse_qsl(await _body(request)))
        action = controls.ACTIONS.get(form.get("action", ""))
        if action is None:
            raise HTTPException(400)
        await run_in_threadpool(action, self._studies, name, form)
        trial = form.get("trial")
        return RedirectResponse(link("studies", name, "trials", trial) if trial else link("studies", name), 303)

    def log(self, request: Request) -> Response:
        return _file(trial_page.log_file(self._studies, **request.path_params))

    def checkpoint(self, request: Request) -> Response:
        return _file(trial_page.checkpoint_file(self._studies, **request.path_params))

    def file(self, request: Request) -> Response:
        return _file(trial_page.trial_file(self._studies, **request.path_params))

    def style(self, request: Request) -> Response:
        text = report.template("page.css.jinja").render()
        return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=600"})

    def script(self, request: Request) -> Response:
        return Response(_SCRIPT, media_type="text/javascript", headers={"Cache-Control": "max-age=600"})

    async def storage_events(self, request: Request) -> Response:
        return self._events(lambda: mark_of(self._studies.recent_lines()), request)

    async def comparison_events(self, request: Request) -> Response:
        names = _names(request)
        await run_in_threadpool(self._comparison_mark, names)
        return self._events(lambda: self._comparison_mark(names), request)

    async def study_events(self, request: Request) -> Response:
        name = request.path_params["name"]
        await run_in_threadpool(self._studies.folder, name)
        return self._events(lambda: self._studies.mark(name), request)

    def _events(self, look: Callable[[], str], request: Request) -> Response:
        """Server-sent events: one at the beginning, and one whenever `look` returns something else."""

        async def events() -> AsyncIterator[str]:
            last, sent = None, -math.inf
            while not (self._closing() or await request.is_disconnected()):
                try:
                    seen = await run_in_threadpool(look)
                except TunepipeError:
                    seen = "unreadable"
                if seen != last:
                    yield f"data: {seen}\n\n"
                    last, sent = seen, time.monotonic()
                elif time.monotonic() - sent >= _SILENT_SECONDS:
                    yield "event: here\ndata: here\n\n"
                    sent = time.monotonic()
                await asyncio.sleep(_POLL_SECONDS)

        return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def error(self, request: Request, error: Exception) -> Response:
        """The page of an error that a user can fix."""
        status = 404 if isinstance(error, JobNotFound) else 400 if isinstance(error, UsageError) else 500
        if isinstance(error, StorageError) and "leads out of the storage" in str(error):
            status = 404
        return self._failure(request, str(error), status if isinstance(error, UserError) else 500)

    def not_found(self, request: Request, error: Exception) -> Response:
        return self._failure(request, f"There is no page {request.url.path!r:.200}.", 404)

    def refused(self, request: Request, error: Exception) -> Response:
        """The page of a form that is refused."""
        if isinstance(error, HTTPException) and error.status_code == 403:
            text = "This page is read-only: `tunepipe serve --control` lets it change studies."
            return self._failure(request, text, 403)
        return self._failure(request, "This form does not belong to the page.", 400)

    def _failure(self, request: Request, text: str, status: int) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(f"{sanitize(text)}\n", status)
        return self._page("error.html.jinja", {"text": text}, status)

    def _snapshot(self, request: Request) -> Any:
        return self._studies.snapshot(request.path_params["name"])

    def _compared(self, request: Request) -> tuple[list[str], dict[str, Any]]:
        """The studies of a comparison and what its page shows, computed once for each state of all of them."""
        names = _names(request)
        first, *others = [self._studies.snapshot(name) for name in names]
        results = {name: self._studies.results(name) for name in names}
        key = ("compared", *names, *(other.mark for other in others))
        return names, first.derived(key, lambda _: report.comparison_content(compared(results)))

    def _comparison_mark(self, names: Sequence[str]) -> str:
        return " ".join(self._studies.snapshot(name).mark for name in names)

    def _controls(self, name: str, trial: str | None = None) -> Mapping[str, Any]:
        store = self._studies.folder(name)
        return {**controls.control_state(store), "commands": controls.commands_table(store, trial)}

    def _picture(self, request: Request, sections: Sequence[Section]) -> Response:
        pictures = {picture.name: picture for section in sections for picture in section.pictures}
        picture = pictures.get(request.path_params["picture"])
        if picture is None:
            raise HTTPException(404)
        narrow = "narrow" in request.query_params
        return self._page("picture.html.jinja", {"picture": picture, "narrow": narrow})

    def _page(self, name: str, content: Mapping[str, Any], status: int = 200) -> Response:
        given = {"live": True, "control": self._control, "storage": self._studies.store.uri, "link": link}
        return HTMLResponse(report.template(name, "page/templates").render(**{**given, **content}), status)


def _names(request: Request) -> list[str]:
    """The studies that a comparison is of."""
    names = list(dict.fromkeys(request.query_params.getlist("study")))
    if not 2 <= len(names) <= _MAX_STUDIES:
        raise UsageError(f"Choose 2 to {_MAX_STUDIES} studies to compare; found {len(names)}.")
    return names


def _addresses(base: str, query: Iterable[tuple[str, str]]) -> Callable[[Picture], str]:
    """The address of each picture of a page."""
    asked = urlencode([(name, value) for name, value in query if value])
    return lambda picture: f"{base}/{picture.name}?{asked}"


def mark_of(lines: Sequence[StudyLine]) -> str:
    """A text that changes when the list of studies does."""
    # Estimates change with the clock, which is not a change of the study.
    shown = [(line.row, line.sparks) for line in lines]
    return hashlib.sha256(repr(shown).encode(errors="replace")).hexdigest()[:16]


def _listed(line: StudyLine) -> dict[str, Any]:
    """A study in the list."""
    row = line.row
    return {
        "row": row,
        "best": "–" if row.best is None else format_number(row.best),
        "left": "–" if line.left is None else rough_duration(line.left),
        "started": row.started.astimezone().strftime("%Y-%m-%d %H:%M") if row.started else "–",
        "spark": _spark(line.sparks),
    }


def _spark(values: Sequence[float]) -> Markup:
    """The best value so far as a small picture; it says nothing that the table does not."""
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    points = " ".join(
        f"{2 + 92 * place / (len(values) - 1):.1f},{22 - 20 * (value - low) / ((high - low) or 1):.1f}"
        for place, value in enumerate(values)
    )
    picture = f'<svg class="spark" viewBox="0 0 96 24" width="96" height="24"><polyline points="{points}"/></svg>'
    return Markup(picture)


async def _body(request: Request) -> str:
    """The fields of a form; those of the page are small."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > _MAX_BYTES:
            raise HTTPException(400)
    return content.decode(errors="replace")


def _file(file: trial_page.Download) -> Response:
    # Downloaded, never displayed: a trial may write any content.
    name = re.sub(r"[^\w.-]", "_", file.name, flags=re.ASCII)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": "sandbox"}
    return StreamingResponse(file.pieces, media_type="application/octet-stream", headers=headers)
