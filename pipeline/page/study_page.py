"""The page of one study: the report of the trials that match a condition, with a table that can be sorted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import escape

from pipeline.errors import UsageError
from pipeline.page.study_cache import StudyCache, StudySnapshot
from pipeline.results.analysis.parameters import of_shown, tuned
from pipeline.results.report import page as report
from pipeline.results.report.picture import Section
from pipeline.results.report.sections import sections
from pipeline.results.tables.load import Results
from pipeline.results.tables.sql import select_trials
from pipeline.results.views.study import MAX_PARAMETERS, leaderboard
from pipeline.results.views.table import Column
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.storage.tables import Tables
from pipeline.text import sanitize_line

CONDITION_SECONDS = 20.0
"""A condition that takes longer is cancelled, so that none occupies a core forever."""

_ROWS = 50
_LONGEST = 4000


def link(*parts: str) -> str:
    """The address of a page, with each part as one step of the path."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


@dataclass(frozen=True, slots=True)
class TableQuery:
    """Which trials are shown, in which order, and the curves of which metric."""

    where: str = ""
    sort: str = ""
    page: int = 1
    metric: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "TableQuery":
        """Read the query of an address."""
        page = given.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 8 else 1
        return cls(given.get("where", "").strip(), given.get("sort", ""), max(number, 1), given.get("metric", ""))

    def address(self) -> str:
        """The query as a part of an address."""
        page = self.page if self.page > 1 else ""
        given = {"where": self.where, "sort": self.sort, "page": page, "metric": self.metric}
        return "?" + urlencode({name: value for name, value in given.items() if value})


def content(studies: StudyCache, name: str, query: TableQuery) -> dict[str, Any]:
    """The content of the page. What is wrong with a condition is shown above an empty table."""
    snapshot, fault = studies.snapshot(name), ""
    results = shown = snapshot.results
    try:
        trials = _matching(snapshot, query.where, query.sort)
        shown = selected(snapshot, query.where)
        pictures = pictures_of(snapshot, query)
    except UsageError as error:
        trials, pictures = [], []
        fault = str(error).replace("--where", "The condition").replace("--sort", "The order")
    pages = max(1, math.ceil(len(trials) / _ROWS))
    page, parameters = min(query.page, pages), len(tuned(results))
    board = leaderboard(results, trials=trials[(page - 1) * _ROWS : page * _ROWS], most=MAX_PARAMETERS)
    return {
        **snapshot.derived(("content", query.where), lambda _: report.content(shown)),
        "name": name,
        "mark": snapshot.mark,
        "table_query": query,
        "fault": fault,
        "total": results.table("trials").num_rows,
        "page": page,
        "pages": pages,
        "at": lambda number: replace(query, page=number).address(),
        "trials": len(trials),
        "parameters_note": of_shown(min(parameters, MAX_PARAMETERS), parameters),
        "leaderboard": report.trials_table(
            board,
            lambda column: _head(results, column, query),
            lambda trial: link("studies", name, "trials", trial),
        ),
        "sections": pictures,
        "metrics": snapshot.derived("metrics", shown_metrics),
        "details": [],
    }


def selected(snapshot: StudySnapshot, where: str) -> Results:
    """The results of the trials that match a condition alone."""
    if not where:
        return snapshot.results

    def only(results: Results) -> Results:
        ids = pa.array(_matching(snapshot, where, ""), pa.string())
        tables = [results.table(name) for name in ("trials", "epochs", "decisions")]
        kept = [table.filter(pc.is_in(table["trial_id"], value_set=ids)) for table in tables]
        return replace(results, tables=Tables(*kept), test=None)

    return snapshot.derived(("selected", where), only)


def pictures_of(snapshot: StudySnapshot, query: TableQuery) -> list[Section]:
    """The pictures of the trials that match a condition, which are drawn when they are asked for."""

    def found(_: Results) -> list[Section]:
        results = selected(snapshot, query.where)
        metrics = dict(shown_metrics(results))
        pictures = sections(results, analysed=False)
        if query.metric in metrics and pictures and pictures[0].pictures[0].name == "curves":
            alt = f"Line chart of {metrics[query.metric]} by epoch."
            curves = replace(pictures[0].pictures[0], more=(query.metric,), alt=alt, caption=str)
            pictures[0] = replace(pictures[0], pictures=[curves])
        return pictures

    return snapshot.derived(("pictures", query.where, query.metric), found)


def shown_metrics(results: Results) -> list[tuple[str, str]]:
    """The columns of `epochs` that a curve can show, with their labels; the objective comes first."""
    first, epochs = metric_column(results.objective.metric), results.table("epochs")
    names = sorted([*metric_columns(epochs.column_names), "learning_rate"], key=first.__ne__)
    labels = {"learning_rate": "learning rate"}
    return [(name, sanitize_line(labels.get(name, name))) for name in names if epochs[name].null_count < len(epochs)]


def _matching(snapshot: StudySnapshot, where: str, sort: str) -> Sequence[str]:
    """The trials that match, in the order of the table."""
    if len(where) > _LONGEST:
        raise UsageError(f"--where must have at most {_LONGEST:,} characters; found {len(where):,}.")
    order = [sort] if sort else []
    return snapshot.derived(
        ("matching", where, sort), lambda results: select_trials(results, where or None, order, CONDITION_SECONDS)
    )


def _head(results: Results, column: Column, query: TableQuery) -> str:
    """The head of a column: a link that sorts by it."""
    rising, falling = query.sort == column.key, query.sort == f"-{column.key}"
    if not query.sort and column.key == "objective":
        rising, falling = results.objective.mode == "min", results.objective.mode == "max"
    order = f' aria-sort="{"ascending" if rising else "descending"}"' if rising or falling else ""
    address = replace(query, sort=f"-{column.key}" if query.sort == column.key else column.key, page=1).address()
    return f'{order}><a href="{escape(address)}" data-table>{escape(column.heading)}</a>'
