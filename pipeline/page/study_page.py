"""The page of one study: the report of the trials that match a condition, a table that can be sorted, and commands."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import escape

from pipeline.engine.commands import StopTrial
from pipeline.errors import StorageError, UsageError
from pipeline.execution.commands import outcomes, request_stop, running_session, send
from pipeline.page.study_cache import StudyCache, StudySnapshot
from pipeline.results.analysis.parameters import of_shown, tuned
from pipeline.results.report import page as report
from pipeline.results.report.sections import Section, sections
from pipeline.results.tables.load import Results
from pipeline.results.tables.sql import select_trials
from pipeline.results.tables.trials import trial_row
from pipeline.results.views.study import MAX_PARAMETERS, leaderboard
from pipeline.results.views.table import Column, Table
from pipeline.storage import Store, layout
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.storage.tables import Tables
from pipeline.text import sanitize_line

CONDITION_SECONDS = 20.0
"""A condition that takes longer is cancelled, so that none occupies a core forever."""

_ROWS = 200
"""The maximum number of rows of the table; others are found by another order or a condition."""
_COMMANDS = 20
_REASON = "A user of the page."

ACTIONS = ("stop", "stop-trial")
"""What forms ask for."""


def link(*parts: str) -> str:
    """The address of a page, with each part as one step of the path."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


@dataclass(frozen=True, slots=True)
class TableQuery:
    """Which trials are shown, in which order, and the curves of which metric."""

    where: str = ""
    sort: str = ""
    metric: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "TableQuery":
        """Read the query of an address."""
        return cls(given.get("where", "").strip(), given.get("sort", ""), given.get("metric", ""))

    def address(self) -> str:
        """The query as a part of an address."""
        return "?" + urlencode({name: value for name, value in asdict(self).items() if value})


def content(studies: StudyCache, name: str, query: TableQuery) -> dict[str, Any]:
    """The content of the page. A condition that cannot be answered leaves all trials; what is wrong is below it."""
    snapshot, fault, given = studies.snapshot(name), "", query
    try:
        _matching(snapshot, query.where, query.sort)
    except UsageError as error:
        fault, query = str(error).replace("--where", "The condition"), TableQuery(metric=query.metric)
    results, shown = snapshot.results, selected(snapshot, query.where)
    trials, pictures = _matching(snapshot, query.where, query.sort), pictures_of(snapshot, query)
    parameters, board = len(tuned(results)), leaderboard(results, trials=trials[:_ROWS], most=MAX_PARAMETERS)
    return {
        **snapshot.derived(("content", query.where), lambda _: report.content(shown)),
        **control_state(studies.folder(name)),
        "name": name,
        "mark": snapshot.mark,
        "table_query": given,
        "where": query.where,
        "fault": fault,
        "total": results.table("trials").num_rows,
        "trials": len(trials),
        "listed": len(board.rows),
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
        for place, section in enumerate(pictures):
            if query.metric in metrics and section.title == "Learning curves":
                alt = f"Line chart of {metrics[query.metric]} by epoch."
                curves = replace(section.pictures[0], more=(query.metric,), alt=alt, caption=str)
                pictures[place] = replace(section, pictures=[curves])
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
    return snapshot.derived(
        ("matching", where, sort),
        lambda results: select_trials(results, where or None, sort, CONDITION_SECONDS),
    )


def _head(results: Results, column: Column, query: TableQuery) -> str:
    """The head of a column: a link that sorts by it."""
    rising, falling = query.sort == column.key, query.sort == f"-{column.key}"
    if not query.sort and column.key == "objective":
        rising, falling = results.objective.mode == "min", results.objective.mode == "max"
    order = f' aria-sort="{"ascending" if rising else "descending"}"' if rising or falling else ""
    address = replace(query, sort=f"-{column.key}" if query.sort == column.key else column.key).address()
    return f'{order}><a href="{escape(address)}" data-table>{escape(column.heading)}</a>'


def control_state(store: Store) -> dict[str, Any]:
    """Which commands a study accepts now, and the newest ones, whoever gave them, with their outcomes."""
    session = running_session(store)
    waits = "waits for `tunepipe resume`" if session is None else "waits for the next report"
    rows = [
        {"command": _command(store, name), "outcome": outcome or waits}
        for name, outcome in reversed(list(outcomes(store).items())[-_COMMANDS:])
    ]
    commands = Table("Commands", [Column("command"), Column("outcome")], rows)
    return {"driven": session is not None, "commands": commands}


def _command(store: Store, name: str) -> str:
    """A command in words; its file may be anyone's."""
    try:
        values = store.read_json(layout.command(name), most=1_000_000)
        return f"{values['kind']} {values.get('trial_id') or ''}".strip()
    except (FileNotFoundError, StorageError, TypeError, KeyError, AttributeError):
        return "?"


def act(studies: StudyCache, name: str, action: str, trial: str) -> None:
    """Do what a form of the page asks for."""
    store = studies.folder(name)
    if action == "stop-trial":
        row = trial_row(studies.snapshot(name).results, trial)
        send(store, StopTrial(trial_id=str(row["trial_id"]), reason=_REASON))
    elif request_stop(store) is None:
        raise UsageError(f"The study {name!r} is not running.")
