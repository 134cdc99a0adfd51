"""The page of a study: one HTML file that needs nothing else, to be read, sent and printed."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from pipeline.results.analysis.parameters import (
    best_quarter,
    domain_in_words,
    format_value,
    of_shown,
    scored,
    span_in_words,
    tuned,
)
from pipeline.results.analysis.queries import causes, trial_counts
from pipeline.results.palette import DAY, NIGHT
from pipeline.results.report.sections import sections
from pipeline.results.tables.load import Results, configs_of, load_results, postpone_pandas
from pipeline.results.tables.trials import board
from pipeline.results.views.study import MAX_PARAMETERS, leaderboard, provenance_in_words, summary
from pipeline.results.views.table import STATES, Column, Table
from pipeline.storage import Store, layout
from pipeline.study.files import as_argument
from pipeline.text import counted, duration, first_line, format_number, sanitize, without_keys

MAX_ROWS = 10_000
"""The maximum number of rows of a report, which take 6 MB: a browser needs long to show more."""

DETAILED_TRIALS = 40
"""The number of trials, the best ones, whose decisions are listed."""

_DECISIONS = 30
"""The number of a trial's decisions that are listed, the last ones."""


@cache
def template(name: str, folder: str = "results/report") -> Template:
    """A page's template, in which all text is escaped; it may include those of the report. It is compiled once."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("pipeline", place) for place in dict.fromkeys((folder, "results/report"))]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: sanitize(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"day": DAY, "night": NIGHT, "states": STATES, "live": False, "picture_address": None}
    return environment.get_template(name)


def content(results: Results) -> dict[str, Any]:
    """What the report and the live page of a study show in the same way, but its trials and its pictures."""
    return {
        "name": results.name,
        "description": results.job["description"],
        "state": results.state,
        "location": results.location,
        "argument": as_argument(results.location),
        "summary": summary(results),
        "tiles": tiles(results),
        "causes": causes(results),
        "space": _space(results),
        "provenance": provenance_in_words(results.sessions),
    }


def report_page(results: Results) -> str:
    """A study's report."""
    details, parameters = _details(results), len(tuned(results))
    detailed = {trial for trial, *_ in details}
    order = "descending" if results.objective.mode == "max" else "ascending"

    def head(column: Column) -> str:
        sorted_by = f' aria-sort="{order}"' if column.key == "objective" else ""
        return f'{sorted_by}><button type="button">{escape(column.heading)}</button>'

    board = leaderboard(results, top=MAX_ROWS, most=MAX_PARAMETERS)
    page = template("study.html.jinja").render(
        **content(results),
        trials=results.table("trials").num_rows,
        leaderboard=trials_table(board, head, lambda trial: f"#trial-{trial}" if trial in detailed else ""),
        parameters_note=of_shown(min(parameters, MAX_PARAMETERS), parameters),
        sections=sections(results),
        details=details,
        most_rows=MAX_ROWS,
    )
    # In tables and pictures, too: configs and errors may name a storage.
    return without_keys(page)


def write_report(store: Store) -> str:
    """Write a study's report into its folder."""
    postpone_pandas()
    store.write(layout.REPORT, report_page(load_results(store.uri, whole=False)))
    return store.uri_of(layout.REPORT)


def tiles(results: Results) -> list[tuple[str, str, str]]:
    """The most important numbers: label, value, and a note."""
    found, best, counts = [], results.best, trial_counts(results)
    if best is not None:
        note = f"trial {best.trial_id}, epoch {best.epoch}"
        found.append((f"best {results.objective.metric}", format_number(best.value), note))
    goal = results.objective.metric.removeprefix("val_")
    test = {name: value for name, value in (results.test or {}).items() if name.removeprefix("test_") == goal}
    found += [(name, format_number(value), "the best model on the test split") for name, value in test.items()]
    stopped, failed = counts.stopped["comparison"], counts.states.get("failed", 0)
    found.append(("trials", f"{results.table('trials').num_rows:,}", f"{stopped:,} stopped early, {failed:,} failed"))
    saved = f"{counts.saved:,} saved by early stopping" if counts.saved else "none saved by early stopping"
    found.append(("epochs", f"{results.table('epochs').num_rows:,}", saved))
    found.append(("time", duration(results.seconds), counted(len(results.sessions), "session")))
    return found


def trials_table(board: Table, head: Callable[[Column], str], link: Callable[[str], str]) -> Markup:
    """A leaderboard as HTML, each cell with its text and its sort key. A template would take seconds for 10,000 rows.

    `head` ends the tag of a column's head and gives its content, `link` the address of a trial, if it has one.
    """
    looks = [
        ' class="state-cell"' if column.key == "state" else ' class="number"' if column.right else ""
        for column in board.columns
    ]
    heads = "".join(
        f'<th scope="col"{look}{head(column)}</th>' for column, look in zip(board.columns, looks, strict=True)
    )
    ids = [row["trial_id"] for row in board.rows]
    begins = [
        f'<tr class="{"best" if row["is_best"] else escape(row["state"])}" data-trial="{trial}">'
        for row, trial in zip(board.rows, _texts(ids), strict=True)
    ]
    cells = []
    for column, look in zip(board.columns, looks, strict=True):
        values = [row.get(column.key) for row in board.rows]
        texts = _texts([column.text(value) for value in values])
        if column.key == "trial_id":
            to = _texts([link(trial) for trial in ids])
            texts = [f'<a href="{each}">{text}</a>' if each else text for each, text in zip(to, texts, strict=True)]
        keys = _texts(["" if value is None or value != value else str(value) for value in values])
        cells.append([f'<td data-key="{key}"{look}>{text}</td>' for key, text in zip(keys, texts, strict=True)])
    rows = "".join("".join(row) + "</tr>\n" for row in zip(begins, *cells, strict=True))
    return Markup(f'<table id="trials"><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table>')


def _texts(texts: Sequence[str]) -> list[str]:
    """Texts of one line each in HTML, all at once."""
    lines = "\n".join(text.replace("\n", r"\n").replace("\t", r"\t") for text in texts)
    return str(escape(sanitize(lines))).split("\n") if texts else []


def _details(results: Results) -> list[tuple[str, str, list[tuple[str, str]], Table]]:
    """The best trials: each one's outcome in a line, its config at its best epoch, and the decisions on it."""
    best, metric, details = board(results).slice(0, DETAILED_TRIALS), results.objective.metric, []
    chosen = results.query(f"""
        select trial_id, epoch, kind, reason from decisions semi join (from ranked where place <= {DETAILED_TRIALS})
        using (trial_id) order by session, number
    """).to_pylist()
    for row, values in zip(best.to_pylist(), configs_of(best, results.space), strict=True):
        trial, reached = row["trial_id"], row["objective"]
        value = "" if reached is None else f", {metric} {format_number(reached)} at epoch {row['best_epoch']}"
        config = [(name, format_value(value)) for name, value in values.items()]
        decisions = decisions_table([each for each in chosen if each["trial_id"] == trial])
        details.append((trial, f"{row['state']}{value}", config, decisions))
    return details


def decisions_table(decisions: Sequence[Mapping[Any, Any]]) -> Table:
    """The last decisions on a trial, with their reasons."""
    rows = [{**each, "reason": first_line(str(each["reason"]))} for each in decisions[-_DECISIONS:]]
    earlier = len(decisions) - len(rows)
    note = f"The table decisions also has {counted(earlier, 'earlier decision')}." if earlier else ""
    columns = [Column("epoch", right=True), Column("kind", "decision"), Column("reason", keep="wrapped")]
    return Table("Decisions", columns, rows, note)


def _space(results: Results) -> Table:
    """Each parameter: its name, what it may be, what the best has, where the best quarter lies."""
    front = best_quarter(scored(results))
    configs = [dict(zip(front, row, strict=True)) for row in zip(*front.values(), strict=True)]
    best, rows = results.best.config if results.best is not None else {}, []
    for parameter in results.parameters:
        name, words = parameter.name, domain_in_words(parameter.domain)
        if parameter.when:
            words += f"; where {' and '.join(f'{switch} is {branch}' for switch, branch in parameter.when)}"
        there = [parameter.is_present(config) for config in configs]
        chosen = format_value(best[name]) if name in best and parameter.is_present(best) else "–"
        span = span_in_words(parameter.domain, front[name][there]) if name in front else "–"
        rows.append({"hyperparameter": name, "domain": words, "best": chosen, "best_quarter": span})
    return Table("Search space", [Column(key) for key in ("hyperparameter", "domain", "best", "best_quarter")], rows)
