"""The study's page: one HTML file that needs nothing else, to be read, sent and printed."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pipeline.results.analysis.failure_causes import causes, first_line
from pipeline.results.analysis.parameters import (
    best_quarter,
    domain_in_words,
    format_value,
    of_shown,
    scored,
    span_in_words,
    tuned,
)
from pipeline.results.analysis.queries import trial_counts
from pipeline.results.palette import DAY, NIGHT
from pipeline.results.report.leaderboard_rows import MAX_ROWS, leaderboard_rows
from pipeline.results.report.sections import sections
from pipeline.results.report.templates import template
from pipeline.results.tables.load import Results, load_results
from pipeline.results.tables.trials import configs_at_best, ranked
from pipeline.results.views.explanation import earlier_table
from pipeline.results.views.provenance import provenance_in_words
from pipeline.results.views.states import STATES
from pipeline.results.views.study import MAX_PARAMETERS, columns, is_numeric, summary
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.text import counted, duration, format_number

PRINTED_ROWS = 40
"""The number of the leaderboard's rows that are printed on paper."""

DETAILED_TRIALS = 40
"""The number of trials, the best ones, whose decisions are listed."""

_DECISIONS = 30
"""The number of a trial's decisions that are listed, the last ones."""


def report_page(results: Results) -> str:
    """A study's report."""
    page = template("report.html.jinja")
    details = _details(results)
    detailed = {trial["trial"] for trial in details}
    shown, parameters = _columns(results), len(tuned(results))
    numeric = [number for _, number in shown]
    return page.render(
        name=results.name,
        description=results.job["description"],
        state=results.state,
        location=results.location,
        summary=summary(results),
        earlier=earlier_table(results),
        tiles=_tiles(results),
        columns=shown,
        parameters_note=of_shown(results, min(parameters, MAX_PARAMETERS), parameters),
        order="descending" if results.objective.mode == "max" else "ascending",
        trials=len(results.trials),
        rows=leaderboard_rows(results, numeric=numeric, printed=PRINTED_ROWS, linked=detailed),
        sections=sections(results),
        details=details,
        causes=causes(results),
        space=_space(results),
        provenance=provenance_in_words(results.sessions),
        states=STATES,
        printed=PRINTED_ROWS,
        most_rows=MAX_ROWS,
        day=DAY,
        night=NIGHT,
        # What pictures say was escaped when they were drawn.
        svg=Markup,
    )


def write_report(store: Store) -> str:
    """Write a study's report into its folder."""
    store.write(layout.REPORT, report_page(load_results(store.uri)))
    return store.uri_of(layout.REPORT)


def _tiles(results: Results) -> list[tuple[str, str, str]]:
    """The most important numbers: label, value, and a note."""
    tiles = []
    if results.best is not None:
        note = f"trial {results.best.trial_id}, epoch {results.best.epoch}"
        tiles.append((f"best {results.objective.metric}", format_number(results.best.value), note))
    goal = results.objective.metric.removeprefix("val_")
    test = {name: value for name, value in (results.test or {}).items() if name.removeprefix("test_") == goal}
    tiles += [(name, format_number(value), "the best model on the test split") for name, value in test.items()]
    failed = int((results.trials["state"] == "failed").sum())
    counts = trial_counts(results)
    kinds = {
        "stopped early": counts.stopped["comparison"],
        "stopped by a user": counts.stopped["user"],
        "cut off by the end": counts.stopped["end"],
        "failed": failed,
    }
    note = ", ".join(f"{number:,} {what}" for what, number in kinds.items() if number)
    tiles.append(("trials", f"{len(results.trials):,}", note or "none stopped early, none failed"))
    note = f"{counts.saved:,} saved by early stopping" if counts.saved else "none saved by early stopping"
    tiles.append(("epochs", f"{int(results.trials['epochs'].sum()):,}", note))
    sessions = counted(len(results.sessions), "session")
    tiles.append(("time", duration(results.seconds), sessions))
    return tiles


def _columns(results: Results) -> list[tuple[str, bool]]:
    """The leaderboard's columns: name, and whether it holds numbers."""
    shown = columns(results, MAX_PARAMETERS)
    return [("time" if one.key == "seconds" else one.heading, is_numeric(results, one)) for one in shown]


def _details(results: Results) -> list[Mapping[str, Any]]:
    """The best trials: each one's outcome in a line, its config at its best epoch, and the decisions on it."""
    best = ranked(results)[:DETAILED_TRIALS]
    configs, metric = configs_at_best(results, best), results.objective.metric
    decided: dict[str, list[Mapping[Any, Any]]] = {trial: [] for trial in best}
    for each in results.decisions[results.decisions["trial_id"].isin(best)].to_dict("records"):
        decided[each["trial_id"]].append(each)
    trials = results.trials[results.trials["trial_id"].isin(best)].set_index("trial_id")
    details: list[Mapping[str, Any]] = []
    for trial, row in trials.loc[best].iterrows():
        value = f", {metric} {format_number(row['objective'])} at epoch {row['best_epoch']}"
        decisions = decided[str(trial)]
        details.append(
            {
                "trial": str(trial),
                "outcome": f"{row['state']}{value if row['objective'] == row['objective'] else ''}",
                "config": [(name, format_value(chosen)) for name, chosen in configs[str(trial)].items()],
                "earlier": len(decisions[:-_DECISIONS]),
                "decisions": [
                    (str(each["epoch"]), str(each["kind"]), first_line(str(each["reason"])))
                    for each in decisions[-_DECISIONS:]
                ],
            }
        )
    return details


def _space(results: Results) -> list[tuple[str, str, str, str]]:
    """Each parameter: its name, what it may be, what the best has, where the best quarter lies."""
    front = best_quarter(results, scored(results))
    configs = [{str(key): value for key, value in row.items()} for row in front.to_dict("records")]
    lines = []
    best_config = results.best.config if results.best is not None else {}
    for parameter in results.parameters:
        name = parameter.name
        best = format_value(best_config[name]) if name in best_config and parameter.is_present(best_config) else "–"
        there = [parameter.is_present(config) for config in configs]
        span = span_in_words(parameter.domain, front.loc[there, name]) if name in front else "–"
        words = domain_in_words(parameter.domain)
        if parameter.when:
            words += f"; where {' and '.join(f'{switch} is {branch}' for switch, branch in parameter.when)}"
        lines.append((name, words, best, span))
    return lines
