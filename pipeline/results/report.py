"""The study's page: one HTML file that needs nothing else, to be read, sent and printed."""

import math
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from pipeline.legible import legible
from pipeline.results.failures import causes
from pipeline.results.front import objective_values, pareto_front
from pipeline.results.leaderboard import configs_at_best, ranked
from pipeline.results.load import Results, load_results
from pipeline.results.numbers import format_number, format_value
from pipeline.results.pictures import sections
from pipeline.results.plots.space import scored, tuned
from pipeline.results.states import STATES
from pipeline.results.summary import (
    counted,
    domain_in_words,
    duration,
    paragraphs,
    saved_epochs,
    span_in_words,
    stopped_early,
)
from pipeline.results.svg import DAY, NIGHT
from pipeline.storage import Store
from pipeline.study import layout

__all__ = ["report_page", "template", "write_report"]

_PRINTED = 40
"""So many rows of the leaderboard are put on paper."""


def report_page(results: Results) -> str:
    """A study's report.

    Args:
        results: A study's results.

    Returns:
        One HTML page that loads nothing: summary, leaderboard, pictures, failures and space.
    """
    page = template("report.html.jinja")
    return page.render(
        name=results.name,
        description=results.job["description"],
        state=results.state,
        location=results.location,
        paragraphs=paragraphs(results),
        tiles=_tiles(results),
        columns=_columns(results),
        order="descending" if results.objective.mode == "max" else "ascending",
        rows=_rows(results),
        sections=sections(results),
        causes=causes(results),
        space=_space(results),
        states=STATES,
        printed=_PRINTED,
        day=DAY,
        night=NIGHT,
        # What pictures say was escaped when they were drawn.
        svg=Markup,
    )


def template(name: str) -> Template:
    """A page's template: text in it is text, whatever it holds."""
    return Environment(
        loader=PackageLoader("pipeline", "results"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)


def write_report(store: Store) -> str:
    """Write a study's report into its folder.

    Args:
        store: The study's folder.

    Returns:
        Where the page lies.

    Raises:
        JobNotFound: There is no study there.
        StorageError: The storage cannot be read or written.
    """
    store.write(layout.REPORT, report_page(load_results(store.uri)))
    head, mark, query = store.uri.partition("?")
    return f"{head}/{layout.REPORT}{mark}{query}"


def _shown(value: Any) -> Any:
    """What stands on the page for a value: text is text, whatever is in it."""
    return legible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _tiles(results: Results) -> list[tuple[str, str, str]]:
    """The few numbers that are looked for first: label, value, what goes with it."""
    tiles = []
    if results.best is not None:
        beside = f"trial {results.best.trial_id}, epoch {results.best.epoch}"
        tiles.append((f"best {results.objective.metric}", format_number(results.best.value), beside))
    goal = results.objective.metric.removeprefix("val_")
    test = {name: value for name, value in (results.test or {}).items() if name.removeprefix("test_") == goal}
    tiles += [(name, format_number(value), "the winner on the test split") for name, value in test.items()]
    failed = int((results.trials["state"] == "failed").sum())
    stopped = len(stopped_early(results))
    cut_off = int((results.trials["state"] == "stopped").sum()) - stopped
    kinds = {"stopped early": stopped, "cut off by the end": cut_off, "failed": failed}
    told = ", ".join(f"{number:,} {what}" for what, number in kinds.items() if number)
    tiles.append(("trials", f"{len(results.trials):,}", told or "none stopped early, none failed"))
    saved, _ = saved_epochs(results)
    told = f"{saved:,} saved by early stopping" if saved else "none saved by early stopping"
    tiles.append(("epochs", f"{int(results.trials['epochs'].sum()):,}", told))
    sessions = counted(len(results.sessions), "session")
    tiles.append(("time", duration(results.seconds), sessions))
    return tiles


def _columns(results: Results) -> list[tuple[str, bool]]:
    """The leaderboard's columns: name, and whether it holds numbers."""
    fixed = [(results.objective.metric, True), ("at epoch", True), ("epochs", True), ("time", True), ("state", False)]
    others = [(objective.metric, True) for objective in results.objectives[1:]]
    further = [*others, ("front", False)] if others else []
    return [("trial", False), *fixed, *further, *((name, _numeric(results, name)) for name in tuned(results))]


def _numeric(results: Results, parameter: str) -> bool:
    values = getattr(results.space[parameter], "values", ())
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _rows(results: Results) -> list[Mapping[str, Any]]:
    """The leaderboard: each cell as its text and the key by which it sorts."""
    trials = {row["trial_id"]: row for row in results.trials.to_dict("records")}
    rows: list[Mapping[str, Any]] = []
    configs, values = configs_at_best(results), objective_values(results)
    further = dict(zip(values.index, values.iloc[:, 1:].to_numpy().tolist(), strict=True))
    on_front = {point.trial_id for point in pareto_front(results)}
    for trial_id in ranked(results):
        row = {str(name): value for name, value in trials[trial_id].items()}
        value, known = float(row["objective"]), math.isfinite(float(row["objective"]))
        epoch = int(row["best_epoch"]) if known else ""
        cells: list[tuple[Any, Any]] = [
            (trial_id, trial_id),
            (format_number(value) if known else "–", repr(value) if known else ""),
            (epoch if known else "–", epoch),
            (int(row["epochs"]), int(row["epochs"])),
            (duration(float(row["seconds"])), float(row["seconds"])),
            (row["state"], row["state"]),
        ]
        others = further[trial_id]
        cells += [("–", "") if other != other else (format_number(other), repr(other)) for other in others]
        if others:
            cells.append(("yes", 0) if trial_id in on_front else ("–", 1))
        config = configs[trial_id]
        for name in tuned(results):
            setting = config.get(name)
            cells.append(("–", "") if setting is None else (format_value(setting), setting))
        best = results.best is not None and trial_id == results.best.trial_id
        rows.append({"cells": cells, "state": row["state"], "best": best})
    return rows


def _space(results: Results) -> list[tuple[str, str, str, str]]:
    """Each parameter: its name, what it may be, what the best has, where the best quarter lies."""
    front = scored(results).sort_values("objective", ascending=results.objective.mode == "min", kind="stable")
    front = front.head(max(1, len(front) // 4))
    rows = []
    best_config = results.best.config if results.best is not None else {}
    for place in results.places:
        name = place.name
        best = best_config.get(name) if place.there(best_config) else None
        there = [place.there({str(key): value for key, value in row.items()}) for row in front.to_dict("records")]
        span = span_in_words(place.domain, front.loc[there, name]) if name in front else "–"
        words = domain_in_words(place.domain)
        if place.when:
            words += f"; where {' and '.join(f'{switch} is {branch}' for switch, branch in place.when)}"
        rows.append((name, words, "–" if best is None else format_value(best), span))
    return rows
