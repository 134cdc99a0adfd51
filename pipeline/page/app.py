"""The pages and their data by address. Handlers are plain functions: the server runs each in a thread."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.errors import JobNotFound, StorageError, TunepipeError, UsageError, UserError
from pipeline.page import controls, picture_columns, study_page, trial_page
from pipeline.page.comparison_page import compared_names, comparison_content, comparison_mark
from pipeline.page.explanation_page import Explanations
from pipeline.page.report import report_html, report_policy
from pipeline.page.studies_page import mark_of, studies_content
from pipeline.page.study_cache import StudyCache
from pipeline.results.analysis.parameters import DECADES
from pipeline.results.palette import DAY, NIGHT
from pipeline.results.report.page import template
from pipeline.results.views.table import STATES
from pipeline.text import sanitize

_STATIC = Path(__file__).parent / "static"
_FOLDER = "page/templates"

_POLL_SECONDS = 1.0
_MAX_BYTES = 100_000
"""The maximum size of a form."""
_SILENT_SECONDS = 15.0
"""After this many seconds without a change, an event shows the page that the server still answers."""


def application(studies: StudyCache, *, control: bool = False, closing: Callable[[], bool] = bool) -> Starlette:
    """The application."""
    pages = _Pages(studies, control=control, closing=closing)
    study, trial = "/studies/{name}", "/studies/{name}/trials/{trial}"
    routes = [
        Route("/", pages.studies),
        Route("/events", pages.storage_events),
        Route("/compare", pages.comparison),
        Route("/compare/events", pages.comparison_events),
        Route("/static/page.css", pages.style),
        Mount("/static", StaticFiles(directory=_STATIC)),
        Route(study, pages.study),
        Route(f"{study}/table", pages.table),
        Route(f"{study}/events", pages.study_events),
        Route(f"{study}/columns", pages.columns),
        Route(f"{study}/matching", pages.matching),
        Route(f"{study}/curves", pages.curves),
        Route(f"{study}/best", pages.best),
        Route(f"{study}/explain", pages.explanation),
        Route(f"{study}/report", pages.report),
        Route(f"{study}/commands", pages.command, methods=["POST"]),
        Route(trial, pages.trial),
        Route(f"{trial}/epochs", pages.trial_epochs),
        Route(f"{trial}/log", pages.log),
        Route(f"{trial}/checkpoint", pages.checkpoint),
        Route(f"{trial}/files/{{path:path}}", pages.file),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(GZipMiddleware, minimum_size=2000, compresslevel=3)],
        exception_handlers={
            TunepipeError: pages.error,
            400: pages.refused,
            403: pages.refused,
            404: pages.not_found,
            500: _bug,
        },
    )


class _Pages:
    def __init__(self, studies: StudyCache, *, control: bool, closing: Callable[[], bool]) -> None:
        self._studies, self._control, self._closing = studies, control, closing
        self._explanations = Explanations(studies)

    def studies(self, request: Request) -> Response:
        return self._page("studies.html.jinja", studies_content(self._studies))

    def study(self, request: Request) -> Response:
        name, query = request.path_params["name"], study_page.TableQuery.of(request.query_params)
        content = study_page.content(self._studies, name, query)
        tried = request.query_params.get("config", "")
        return self._page("study.html.jinja", {**content, **self._controls(name), "tried": tried})

    def table(self, request: Request) -> Response:
        query = study_page.TableQuery.of(request.query_params)
        return self._page("table.html.jinja", study_page.table(self._studies, request.path_params["name"], query))

    def trial(self, request: Request) -> Response:
        name, trial = request.path_params["name"], request.path_params["trial"]
        content = trial_page.content(self._studies, name, trial)
        return self._page("trial.html.jinja", {**content, **self._controls(name, trial)})

    def comparison(self, request: Request) -> Response:
        names = request.query_params.getlist("study")
        return self._page("comparison.html.jinja", comparison_content(self._studies, names))

    def explanation(self, request: Request) -> Response:
        asked = request.query_params.get("snapshot", "")
        return self._page("explanation.html.jinja", self._explanations.content(request.path_params["name"], asked))

    def report(self, request: Request) -> Response:
        headers = {"Content-Security-Policy": report_policy()}
        return HTMLResponse(report_html(self._studies, request.path_params["name"]), headers=headers)

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

    def columns(self, request: Request) -> Response:
        return self._data(request, "columns", picture_columns.trial_columns)

    def best(self, request: Request) -> Response:
        return self._data(request, "best", picture_columns.best_so_far)

    def matching(self, request: Request) -> Response:
        name = request.path_params["name"]
        places = study_page.matching(self._studies, name, request.query_params.get("where", ""))
        return _json({"places": places})

    def curves(self, request: Request) -> Response:
        name, metric = request.path_params["name"], request.query_params.get("metric", "")
        known = [column for column, _ in picture_columns.shown_metrics(self._studies.results(name))]
        if metric not in known:
            raise UsageError(f"There is no metric {metric!r:.100}; available: {', '.join(known) or 'none'}.")
        content = self._studies.derived(name, ("curves", metric), partial(picture_columns.curves, metric=metric))
        return Response(content, media_type="application/octet-stream")

    def trial_epochs(self, request: Request) -> Response:
        name, trial = request.path_params["name"], request.path_params["trial"]
        return _json(picture_columns.epochs_of(self._studies.results(name), trial))

    def log(self, request: Request) -> Response:
        return self._file(trial_page.log_file(self._studies, **request.path_params))

    def checkpoint(self, request: Request) -> Response:
        return self._file(trial_page.checkpoint_file(self._studies, **request.path_params))

    def file(self, request: Request) -> Response:
        return self._file(trial_page.trial_file(self._studies, **request.path_params))

    def style(self, request: Request) -> Response:
        text = template("live.css.jinja", _FOLDER).render(day=DAY, night=NIGHT, states=STATES)
        return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=600"})

    async def storage_events(self, request: Request) -> Response:
        return self._events(lambda: mark_of(self._studies.recent_lines()), request)

    async def comparison_events(self, request: Request) -> Response:
        names = compared_names(request.query_params.getlist("study"))
        await run_in_threadpool(comparison_mark, self._studies, names)
        return self._events(lambda: comparison_mark(self._studies, names), request)

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
        if not isinstance(error, UserError):
            status = 500
        return self._failure(request, str(error), status)

    def not_found(self, request: Request, error: Exception) -> Response:
        return self._failure(request, f"There is no page {request.url.path!r:.200}.", 404)

    def refused(self, request: Request, error: Exception) -> Response:
        """The page of a form that is refused."""
        refused = isinstance(error, HTTPException) and error.status_code == 403
        text = "This page is read-only: `tunepipe serve --control` lets it change studies."
        return self._failure(
            request, text if refused else "This form does not belong to the page.", 403 if refused else 400
        )

    def _failure(self, request: Request, text: str, status: int) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return PlainTextResponse(f"{sanitize(text)}\n", status)
        return self._page("error.html.jinja", {"text": text}, status)

    def _controls(self, name: str, trial: str | None = None) -> Mapping[str, Any]:
        store = self._studies.folder(name)
        return {**controls.control_state(store), "commands": controls.command_lines(store, trial)}

    def _data(self, request: Request, key: str, compute: Callable[..., Mapping[str, Any]]) -> Response:
        content = self._studies.derived(
            request.path_params["name"], key, lambda results: picture_columns.as_json(compute(results))
        )
        return Response(content, media_type="application/json")

    def _page(self, name: str, content: Mapping[str, Any], status: int = 200) -> Response:
        page = template(name, _FOLDER)
        given = {"control": self._control, "storage": self._studies.store.uri, "link": link, "query": urlencode}
        given["log_decades"] = DECADES
        return HTMLResponse(page.render(**{**given, **content}), status)

    def _file(self, file: trial_page.Download) -> Response:
        # Downloaded, never displayed: a trial may write any content.
        name = re.sub(r"[^\w.-]", "_", file.name, flags=re.ASCII)
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": "sandbox"}
        return StreamingResponse(file.pieces, media_type="application/octet-stream", headers=headers)


async def _body(request: Request) -> str:
    """The fields of a form; those of the page are small."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > _MAX_BYTES:
            raise HTTPException(400)
    return content.decode(errors="replace")


def link(*parts: str) -> str:
    """The address of a page, with each part as one step of the path."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _json(values: Mapping[str, Any]) -> Response:
    return Response(picture_columns.as_json(values), media_type="application/json")


def _bug(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("This is a bug in tunepipe; the traceback is in the output of `tunepipe serve`.", 500)
