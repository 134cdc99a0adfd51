"""Which pictures a study has, each with its alternative text and caption, drawn when it is asked for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from markupsafe import Markup

from pipeline.results.analysis.importance import importances
from pipeline.results.analysis.parameters import (
    OBJECTIVE,
    best_quarter,
    of_shown,
    scored,
    scored_with,
    span_in_words,
    tuned,
)
from pipeline.results.analysis.queries import rises, rungs, trial_counts
from pipeline.results.palette import MAX_BARS, MAX_LINES, MAX_PARAMETERS, MAX_POINTS
from pipeline.results.tables.load import Results
from pipeline.results.views.explanation import importance_table, lineage_table, stopping_table, time_table
from pipeline.results.views.table import Table
from pipeline.storage.schema import metric_column
from pipeline.text import counted, duration, format_number, listed

_PANELS = {1: (640, 1.25), 2: (500, 1.2), 3: (320, 1.0)}
"""Width of a picture in CSS pixels, and how much higher it is, by how many stand side by side."""


@dataclass(frozen=True)
class Picture:
    """A picture: the function of `pipeline.results.plots` that draws it, and that function's arguments but the axes."""

    name: str
    plot: str
    subject: Any
    more: tuple[Any, ...]
    alt: str
    height: int
    caption: Callable[[], str] = str
    width: int = 1040

    @cached_property
    def svg(self) -> Markup:
        """The picture as an element, in which everything is escaped."""
        from pipeline.results import plots
        from pipeline.results.plots.style import inline_svg

        draw, size = getattr(plots, self.plot), (self.width, self.height)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                return Markup(inline_svg(lambda ax: draw(self.subject, ax, *self.more), name=self.name, size=size))
        except (ArithmeticError, ValueError) as error:  # of values near the largest float
            return Markup('<p class="note">This picture cannot be drawn: {}.</p>').format(error)


@dataclass(frozen=True, slots=True)
class Section:
    """Pictures that answer one question, or a table."""

    title: str
    note: str = ""
    pictures: Sequence[Picture] = field(default_factory=list)
    columns: int = 1
    table: Table | None = None


def panels(title: str, note: str, pictures: Sequence[Picture]) -> Section:
    """Small pictures side by side, with no row that is nearly empty."""
    columns = {1: 1, 2: 2, 4: 2}.get(len(pictures), 3)
    width, factor = _PANELS[columns]
    return Section(
        title, note, [replace(one, width=width, height=round(factor * one.height)) for one in pictures], columns
    )


def sections(results: Results, *, analysed: bool = True) -> list[Section]:
    """What a study has to show, in reading order; without what takes seconds to analyse if `analysed` is false."""
    found = [*_curves(results), *_of_objectives(results)]
    if analysed:
        found += _of_importance(results)
    found += [*_against_each(results), *_parallel(results), *_of_rungs(results), *_best_so_far(results)]
    tables = [lineage_table(results), *([time_table(results)] if analysed else [])]
    return found + [Section(table.title, table.note, table=table) for table in tables if table.rows]


def _curves(results: Results) -> Iterator[Section]:
    metric, column = results.objective.metric, metric_column(results.objective.metric)
    epochs = results.table("epochs")
    if column in epochs.column_names and np.isfinite(epochs[column].to_numpy()).any():
        trials = counted(results.table("trials").num_rows, "trial")
        alt = f"Line chart of {metric} by epoch for {trials}, the best one in front."
        picture = Picture("curves", "learning_curves", results, (), alt, 420, partial(_of_curves, results))
        yield Section("Learning curves", pictures=[picture])


def _of_curves(results: Results) -> str:
    """Where the best trial and the median one ended."""
    metric, values, best = results.objective.metric, scored(results)[OBJECTIVE], results.best
    if best is None:
        return f"No trial has a usable {metric}."
    trials, failed = results.table("trials").num_rows, trial_counts(results).states.get("failed", 0)
    text = f"Trial {best.trial_id} reaches {metric} {format_number(best.value)} at epoch {best.epoch}"
    text += f"; the median of {counted(len(values), 'trial')} is {format_number(float(np.median(values)))}."
    text += f" {counted(failed, 'trial')} failed, marked by a cross if there is a value." if failed else ""
    some = f" {MAX_LINES:,} evenly spaced trials of {trials:,} are shown."
    return text + (some if trials > MAX_LINES else "")


def _of_objectives(results: Results) -> Iterator[Section]:
    first, *others = results.objectives
    if not others or not results.table("epochs").num_rows:
        return
    pictures = [
        Picture(
            f"objectives-{place}", "trade_off", results, (one.metric,),
            f"Scatter chart of {first.metric} against {one.metric}, with the Pareto front.", 380,
        )
        for place, one in enumerate(others)
    ]  # fmt: skip
    note = (
        "Each point is a trial at its best epoch in the first objective. Those in colour are on the front: no other "
        "trial within the bounds is as good in every objective and better in one. The large one is the best trial."
    )
    yield Section("One objective against another", note, pictures)


def _of_importance(results: Results) -> Iterator[Section]:
    """What mattered among all trials and within each branch, or why nothing can be said."""
    for number, importance in enumerate(importances(results)):
        table, effects = importance_table(results, importance), importance.effects
        if not effects:
            yield Section(table.title, table.note)
            continue
        height = 90 + 26 * min(MAX_BARS, len(effects) + len(importance.pairs))
        alt = f"Bar chart of the shares of {counted(len(effects), 'hyperparameter')}."
        note = (
            "Shares of the objective's variance, by a random forest fitted to the trials; lines are 90% intervals. A "
            "pair, written with ×, has the share that it adds to those of its two hyperparameters."
        )
        best = [f"{one.names[0]} at {one.best}" for one in effects if one.best]
        caption = partial(str, f"{table.note} Best: {listed(best)}." if best else table.note)
        bars = Picture(f"importance-{number}", "importance_bars", importance, (), alt, height, caption)
        yield Section(table.title, note if number == 0 else "", [bars])


def _against_each(results: Results) -> Iterator[Section]:
    names, metric = tuned(results), results.objective.metric
    shown = [name for name in names[:MAX_PARAMETERS] if len(scored_with(results, name)[OBJECTIVE])]
    note = "Filled points are completed trials, hollow ones were stopped early, after fewer epochs; crosses failed. "
    note += "The large one is the best trial."
    if len(scored(results)[OBJECTIVE]) > MAX_POINTS:
        note += f" Each picture has the points of at most {MAX_POINTS:,} evenly spaced trials."
    note = f"{note} {of_shown(min(MAX_PARAMETERS, len(names)), len(names))}".strip()
    pictures = [
        Picture(
            f"against-{place}", "objective_against", results, (name,), f"Scatter chart of {metric} against {name}.",
            240, partial(_of_objective_against, results, name),
        )
        for place, name in enumerate(shown)
    ]  # fmt: skip
    if pictures:
        yield panels("Objective against each hyperparameter", note, pictures)


def _of_objective_against(results: Results, parameter: str) -> str:
    """Where the best trials are."""
    rows = scored_with(results, parameter)
    best = best_quarter(rows)
    where = span_in_words(results.space[parameter], best[parameter])
    return f"The best {len(best[OBJECTIVE])} of {counted(len(rows[OBJECTIVE]), 'trial')}: {where}."


def _parallel(results: Results) -> Iterator[Section]:
    names, count = tuned(results), len(scored(results)[OBJECTIVE])
    if count < 2 or len(names) < 2:
        return
    shown = min(MAX_PARAMETERS, len(names))
    note = "Each line is a trial; the best quarter is in colour, the best trial thick. Better values are at the top."
    note = f"{note} {of_shown(shown, len(names))}".strip()
    alt = f"Parallel coordinates of {shown} hyperparameters and {results.objective.metric} for {count} trials."
    picture = Picture("parallel", "parallel_coordinates", results, (), alt, 400)
    yield Section("All hyperparameters together", note, [picture])


def _of_rungs(results: Results) -> Iterator[Section]:
    if rungs(results).num_rows:
        count = results.table("trials").num_rows
        height = int(np.clip(140 + 15 * count, 260, 640))
        alt = f"Bars of the epochs of {counted(count, 'trial')}, with the rungs of successive halving."
        note = "Each row is a trial, the best at the top; vertical lines are the rungs at which trials are compared."
        caption = partial(str, stopping_table(results).note)
        picture = Picture("rungs", "rungs", results, (), alt, height, caption)
        yield Section("Epoch at which each trial was stopped", note, [picture])


def _best_so_far(results: Results) -> Iterator[Section]:
    if results.best is not None:
        alt = f"Step chart of the best {results.objective.metric} against seconds since the start."
        caption = partial(_of_best_so_far, results)
        yield Section("Best so far", pictures=[Picture("best", "best_so_far", results, (), alt, 340, caption)])


def _of_best_so_far(results: Results) -> str:
    """When the best was reached."""
    if not (found := rises(results).to_pylist()):
        return "No trial has a value within the bounds."
    best, after = format_number(found[-1]["best"]), duration(found[-1]["seconds"])
    return f"{results.objective.metric} {best} was reached after {after} of {duration(results.seconds)}."
