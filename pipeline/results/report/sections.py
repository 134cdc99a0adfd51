"""Which pictures a study has, each with its alternative text and its caption."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow.compute as pc

from pipeline.results.analysis.importance import MIN_SHARE, importances
from pipeline.results.analysis.parameters import of_shown, scored, shown_parameters, tuned
from pipeline.results.analysis.queries import agreements, exploits, rungs
from pipeline.results.palette import MAX_PARAMETERS, MAX_POINTS
from pipeline.results.report import captions
from pipeline.results.report.picture import Picture, Section, panels
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import given
from pipeline.results.views.explanation import (
    early_table,
    importance_table,
    lineage_table,
    stopping_table,
    time_table,
    where_clause,
)
from pipeline.storage.schema import metric_column
from pipeline.text import counted, listed

_MAX_BRANCHES = 8
"""The maximum number of branches with their own pictures: those with the most trials."""


def sections(results: Results, *, analysed: bool = True) -> list[Section]:
    """What a study has to show, in reading order; without what takes seconds to analyse if `analysed` is false."""
    found = [*_curves(results), *_of_objectives(results)]
    if analysed:
        found += _of_importance(results)
    found += [*_against_each(results), *_parallel(results)]
    found += [*_of_rungs(results), *_lineage(results), *_best_so_far(results)]
    if analysed:
        tables = early_table(results) if agreements(results) else None, time_table(results)
        found += [Section(table.title, table.note, table=table) for table in tables if table and table.rows]
    return found


def _curves(results: Results) -> Iterator[Section]:
    metric, column = results.objective.metric, metric_column(results.objective.metric)
    epochs = results.table("epochs")
    # Arrow, not pandas: the sections of a page are listed before any is drawn.
    if column in epochs.column_names and pc.any(pc.is_finite(epochs[column])).as_py():
        trials = counted(results.table("trials").num_rows, "trial")
        alt = f"Line chart of {metric} by epoch for {trials}, the best one in front."
        caption = partial(captions.of_learning_curves, results)
        picture = Picture("curves", "learning_curves", results, (), alt, 420, 300, caption)
        yield Section("Learning curves", pictures=[picture])


def _of_objectives(results: Results) -> Iterator[Section]:
    first, *others = results.objectives
    if not others or not results.table("epochs").num_rows:
        return
    pictures = [
        Picture(
            f"objectives-{place}", "trade_off", results, (one.metric,),
            f"Scatter chart of {first.metric} against {one.metric}, with the Pareto front.", 380, 300,
            partial(captions.of_trade_off, results, one.metric),
        )
        for place, one in enumerate(others)
    ]  # fmt: skip
    note = (
        "Each point is a trial at its best epoch in the first objective. Those in colour are on the front: no other "
        "trial within the bounds is as good in every objective and better in one. The large one is the best trial."
    )
    yield Section("One objective against another", note, pictures)


def _of_importance(results: Results) -> Iterator[Section]:
    """What mattered among all trials, then in the branches with the most trials; else why nothing can be said."""
    metric, found = results.objective.metric, importances(results)
    branches = sorted((one for one in found if one.when), key=lambda one: -one.trials)
    for number, importance in enumerate(one for one in found if one not in branches[_MAX_BRANCHES:]):
        table, effects = importance_table(importance), importance.effects
        if not effects:
            yield Section(table.title, table.note)
            continue
        height = 90 + 26 * min(12, len(effects) + sum(pair.share >= MIN_SHARE for pair in importance.pairs))
        alt = f"Bar chart of the shares of {counted(len(effects), 'hyperparameter')}."
        note = (
            "Shares of the objective's variance, by a random forest fitted to the trials; lines are 90% intervals. A "
            "pair, written with ×, has the share that it adds to those of its two hyperparameters."
        )
        if exploits(results).num_rows:
            note += " Trials copied weights, so a config counts for its own epochs only."
        said = partial(str, table.note)
        bars = Picture(f"importance-{number}", "importance_bars", importance, (), alt, height, height, said)
        yield Section(table.title, note, [bars])
        along = [
            Picture(
                f"along-{number}-{place}", "partial_dependence", effect, (metric,),
                f"Chart of the mean {metric} along {effect.parameter.name}.", 220, 220,
                partial(captions.of_effect, effect),
            )
            for place, effect in enumerate(effects[:MAX_PARAMETERS])
        ]  # fmt: skip
        note = "The mean of the same forest with all other hyperparameters averaged out; the band is a 90% interval."
        yield panels(f"{metric} along each hyperparameter{where_clause(importance)}", note, along)
    if left := len(branches[_MAX_BRANCHES:]):
        note = f"{counted(left, 'branch', 'branches')} with fewer trials: `tunepipe explain` shows what mattered there."
        yield Section("What mattered in other branches", note)


def _against_each(results: Results) -> Iterator[Section]:
    rows, names, metric = scored(results), tuned(results), results.objective.metric
    note = "Filled points are completed trials, hollow ones were stopped early, after fewer epochs; crosses failed. "
    note += "The large one is the best trial."
    if len(rows) > MAX_POINTS:
        note += f" Each picture has the points of at most {MAX_POINTS:,} evenly spaced trials."
    present = [name for name in names if given(rows[name]).any()]
    if absent := [name for name in names if name not in present]:
        note += f" No trial has {listed(absent)}."
    shown = [name for name in shown_parameters(results, MAX_PARAMETERS) if name in present]
    note = f"{note} {of_shown(len(shown), len(present))}".strip()
    pictures = [
        Picture(
            f"against-{place}", "objective_against", results, (name,), f"Scatter chart of {metric} against {name}.",
            240, 240, partial(captions.of_objective_against, results, name),
        )
        for place, name in enumerate(shown)
    ]  # fmt: skip
    if pictures:
        yield panels("Objective against each hyperparameter", note, pictures)


def _parallel(results: Results) -> Iterator[Section]:
    names, count = tuned(results), len(scored(results))
    if count < 2 or len(names) < 2:
        return
    note = "Each line is a trial; the best quarter is in colour, the best trial thick. Better values are at the top."
    shown = shown_parameters(results, MAX_PARAMETERS)
    note = f"{note} {of_shown(len(shown), len(names))}".strip()
    alt = f"Parallel coordinates of {len(shown)} hyperparameters and {results.objective.metric} for {count} trials."
    picture = Picture("parallel", "parallel_coordinates", results, (), alt, 400, 300)
    yield Section("All hyperparameters together", note, [picture])


def _of_rungs(results: Results) -> Iterator[Section]:
    if rungs(results).num_rows:
        count = results.table("trials").num_rows
        height = int(np.clip(140 + 15 * count, 260, 640))
        alt = f"Bars of the epochs of {counted(count, 'trial')}, with the rungs of successive halving."
        note = "Each row is a trial, the best at the top; vertical lines are the rungs at which trials are compared."
        caption = lambda: f"{captions.of_rungs(results)} {stopping_table(results).note}"  # noqa: E731
        picture = Picture("rungs", "rungs", results, (), alt, height, height, caption)
        yield Section("Epoch at which each trial was stopped", note, [picture])


def _lineage(results: Results) -> Iterator[Section]:
    count, copies = results.table("trials").num_rows, exploits(results).num_rows
    if not copies:
        return
    height, caption = int(np.clip(100 + 34 * count, 260, 700)), lambda: lineage_table(results).note
    alt = f"Diagram of {counted(count, 'trial')} over their epochs with {copies} arrows of exploits."
    note = (
        "Each row is a trial, the best at the top; an arrow leads from the donor trial to the trial that copied its "
        "weights. The lineage of the best model is thick."
    )
    yield Section("Lineage", note, [Picture("lineage", "lineage", results, (), alt, height, height, caption)])


def _best_so_far(results: Results) -> Iterator[Section]:
    if results.best is not None:
        alt = f"Step chart of the best {results.objective.metric} against seconds since the start."
        caption = partial(captions.of_best_so_far, results)
        yield Section("Best so far", pictures=[Picture("best", "best_so_far", results, (), alt, 340, 280, caption)])
