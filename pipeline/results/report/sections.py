"""Which pictures a study's report has, each with its caption."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from pipeline.results import plots
from pipeline.results.analysis.comparison import hypervolume_of
from pipeline.results.analysis.early_stopping import agreements
from pipeline.results.analysis.parameters import (
    OBJECTIVE,
    by_influence,
    of_shown,
    scored,
    scored_with,
    shown_parameters,
    tuned,
)
from pipeline.results.analysis.queries import COSTS, costs, effort, exploits, has_costs, rungs as rungs_of, spreads
from pipeline.results.plots.cost import MAX_BATCHES
from pipeline.results.plots.plane import has_plane, has_trajectories
from pipeline.results.plots.style import MAX_AXES, MAX_POINTS
from pipeline.results.report import captions, hover_points, parameter_captions
from pipeline.results.report.importance_pictures import importances
from pipeline.results.report.picture import MAX_PANELS, Picture, Section, as_results_plot, panel, picture
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import given
from pipeline.results.views.explanation import early_table, lineage_table, stopping_table, time_table
from pipeline.storage.schema import metric_column
from pipeline.text import listed


def sections(results: Results) -> list[Section]:
    """The pictures that a study has something to show for, in reading order."""
    parts = (_of_objective, importances, _of_trials, _of_training)
    return [section for part in parts for section in part(results) if section.pictures]


def live_sections(results: Results) -> Iterator[Section]:
    """The pictures of a study that still runs, each drawn when it is asked for: those that need no analysis."""
    for draw in (_curves, _best_so_far, _against_each, _parallel):
        yield from draw(results)


def _of_objective(results: Results) -> Iterator[Section]:
    if _has_values(results):
        yield from _curves(results)
        yield from _of_objectives(results)
        yield from _of_models(results)
        yield from _of_costs(results)
        yield from _of_planes(results)


def _of_trials(results: Results) -> Iterator[Section]:
    yield from _against_each(results)
    yield from _parallel(results)
    if rungs_of(results).num_rows:
        count = len(results.trials)
        height = int(np.clip(140 + 15 * count, 260, 640))
        note = "Each row is a trial, the best at the top; vertical lines are the rungs at which trials are compared."
        rungs = picture(
            results, "rungs", plots.rungs, captions.of_rungs(results), height, height,
            f"Bars of the epochs trained by each of {count} trials, with the rungs of successive halving.",
            hover_points.of_rungs(results),
        )  # fmt: skip
        yield Section("Epoch at which each trial was stopped", f"{note} {stopping_table(results).note}", [rungs])
    if agreements(results).num_rows:
        yield _early(results)


def _early(results: Results) -> Section:
    table = early_table(results)
    note = "Among all trials, not only completed ones, the correlation would be higher."
    early = picture(
        results, "early", as_results_plot(plots.early_values, agreements(results)),
        table.note, 300, 260,
        f"Chart of the rank correlation of {results.objective.metric} with its final value, by epoch.",
    )  # fmt: skip
    return Section(table.title, note, [early])


def _of_training(results: Results) -> Iterator[Section]:
    count = len(results.trials)
    if exploits(results).num_rows:
        yield from _population(results)
    if _has_values(results) and results.epochs["learning_rate"].notna().any():
        alt = f"Line chart of the learning rate by epoch for {count} trials."
        rates = picture(results, "rates", plots.learning_rates, captions.of_learning_rates(results), 340, 280, alt)
        yield Section("Learning rate", "", [rates])
    yield from _best_so_far(results)
    if len(results.epochs):
        height = int(np.clip(140 + 15 * count, 240, 640))
        alt = f"Stacked bars of seconds by phase for each of {count} trials, and idle time."
        draw = partial(plots.where_time_went, spent=effort(results))
        time = picture(results, "time", draw, time_table(results).note, height, height, alt)
        yield Section(time_table(results).title, "", [time])


def _has_values(results: Results) -> bool:
    column = metric_column(results.objective.metric)
    return column in results.epochs and bool(np.isfinite(results.epochs[column]).any())


def _curves(results: Results) -> Iterator[Section]:
    if _has_values(results):
        metric, count = results.objective.metric, len(results.trials)
        alt = f"Line chart of {metric} by epoch for {count} trials, the best one in front."
        caption, where = captions.of_learning_curves(results), hover_points.of_learning_curves(results)
        values = results.epochs[metric_column(metric)]
        curves = picture(results, "curves", plots.learning_curves, caption, 420, 300, alt, where, values)
        yield Section("Learning curves", "", [curves])


def _best_so_far(results: Results) -> Iterator[Section]:
    if results.best is not None:
        metric = results.objective.metric
        alt = f"Step chart of the best {metric} against seconds since the start."
        caption, where = captions.of_best_so_far(results), hover_points.of_best_so_far(results)
        values = results.epochs[metric_column(metric)]
        best = picture(results, "best", plots.best_so_far, caption, 340, 280, alt, where, values)
        yield Section("Best so far", "", [best])


def _against_each(results: Results) -> Iterator[Section]:
    rows = scored(results)
    names = tuned(results)
    if len(rows):
        note = "Filled points are completed trials, hollow ones were stopped early, after fewer epochs; "
        note += "crosses failed. The large one is the best trial."
        if len(rows) > MAX_POINTS:
            note += f" Each picture has the points of at most {MAX_POINTS:,} evenly spaced trials."
        present = [name for name in names if given(rows[name]).any()]
        if absent := [name for name in names if name not in present]:
            note += f" No trial has {listed(absent)}."
        shown = present
        if len(present) > MAX_PANELS:
            shown = [name for name in by_influence(results) if name in present][:MAX_PANELS]
            note += f" {of_shown(results, len(shown), len(present))}"
        panels = [_panel(results, f"against-{place}", name, count=len(shown)) for place, name in enumerate(shown)]
        yield Section("Objective against each hyperparameter", note, panels, small=True)


def _parallel(results: Results) -> Iterator[Section]:
    metric, rows, names = results.objective.metric, scored(results), tuned(results)
    if len(rows) > 1 and len(names) > 1:
        note = "Each line is a trial; the best quarter is in colour, the best trial thick. "
        note += "Better values are at the top."
        if _with_gaps(results):
            note += " It is dotted where it passes hyperparameters that the trial does not have."
        shown = shown_parameters(results, MAX_AXES)
        if said := of_shown(results, len(shown), len(names)):
            note += f" {said}"
        alt = f"Parallel coordinates of {len(shown)} hyperparameters and {metric} for {len(rows)} trials."
        caption = parameter_captions.of_parallel_coordinates(results)
        parallel = picture(results, "parallel", plots.parallel_coordinates, caption, 400, 300, alt)
        yield Section("All hyperparameters together", note, [parallel])


def _of_objectives(results: Results) -> Iterator[Section]:
    first, *others = results.objectives
    if not others:
        return

    def of(place: int, metric: str) -> Picture:
        return picture(
            results, f"objectives-{place}", lambda results, ax: plots.trade_off(results, ax, metric),
            captions.of_trade_off(results, metric), 380, 300,
            f"Scatter chart of {first.metric} against {metric}, with the Pareto front.",
            hover_points.of_trade_off(results, metric),
        )  # fmt: skip

    bounds = ". Those beyond a bound are not" if any(one.bounded for one in results.objectives) else ""
    yield Section(
        "One objective against another",
        "Each point is a trial at its best epoch in the first objective. Those in colour are on the front: no other "
        f"trial is as good in every objective and better in one{bounds}. The large one is the best trial: the best in "
        "the first objective.",
        [of(place, objective.metric) for place, objective in enumerate(others)],
    )
    if hypervolume_of(results) is not None:
        note = (
            "The share of the box between the best values and the reference point that the epochs of all trials "
            "dominate so far."
        )
        hypervolume = picture(
            results, "hypervolume", lambda results, ax: plots.hypervolume_over_epochs({results.name: results}, ax),
            captions.of_hypervolume(results), 300, 260,
            "Step chart of the dominated share of the hypervolume against the epochs of all trials.",
        )  # fmt: skip
        yield Section("Hypervolume over the epochs", note, [hypervolume])


def _of_models(results: Results) -> Iterator[Section]:
    if not (trials := spreads(results).num_rows):
        return
    height = int(np.clip(90 + 26 * trials, 180, 900))
    note = (
        "Each row is a trial at its best epoch, the best above: its mean, a standard deviation to both sides, and a "
        "point for each fold or repeat."
    )
    alt = f"Means and standard deviations of {results.objective.metric} for {trials} trials."
    caption = captions.of_deviations(results)
    deviations = picture(results, "deviations", plots.deviations, caption, height, height, alt)
    yield Section("Mean and deviation of a trial's models", note, [deviations])


def _of_costs(results: Results) -> Iterator[Section]:
    if not has_costs(results):
        return

    def of(cost: str) -> Picture:
        return panel(
            f"cost-{cost}", lambda ax: plots.against_cost(results, ax, cost), captions.of_cost(results, cost), 260,
            f"Line chart of {results.objective.metric} against {COSTS[cost]}.",
            values=costs(results)["value"].to_numpy(),
            count=len(COSTS),
        )  # fmt: skip

    named = ", named by its batch size" if len(costs(results)["trial_id"].unique()) <= MAX_BATCHES else ""
    yield Section(
        "What it costs",
        f"Each line is a trial{named}; small batches update more often in an epoch, and take longer.",
        [of(cost) for cost in COSTS],
        small=True,
    )


def _of_planes(results: Results) -> Iterator[Section]:
    metric = results.objective.metric
    if has_plane(results):
        note = "Points are trials; darker areas have better trials. The ring is the best trial."
        alt = f"Contours of {metric} over {' and '.join(tuned(results))}."
        landscape = picture(
            results, "landscape", plots.landscape, parameter_captions.of_best_place(results), 480, 320, alt
        )
        yield Section("The objective over both hyperparameters", note, [landscape])
    if has_trajectories(results):
        note = "Each line is a trial's path from epoch to epoch; that of the best trial is thick and ends in a ring."
        alt = f"Paths of {len(results.trials)} trials in a plane."
        paths = picture(results, "paths", plots.trajectories, captions.of_trajectories(results), 480, 320, alt)
        yield Section("Paths through the plane", note, [paths])


def _population(results: Results) -> Iterator[Section]:
    count = len(results.trials)
    height = int(np.clip(100 + 34 * count, 260, 700))
    note = (
        "Each row is a trial, the best at the top; an arrow leads from the donor trial to the trial that copied its "
        "weights. The lineage of the best model is thick."
    )
    alt = f"Diagram of {count} trials over their epochs with {exploits(results).num_rows} arrows of exploits."
    lineage = picture(results, "lineage", plots.lineage, lineage_table(results).note, height, height, alt)
    yield Section("Lineage", note, [lineage])
    if results.best is not None:
        note = (
            "The best model's hyperparameters over its epochs, including those of the trials whose weights it copied; "
            "the other trials are in the background."
        )
        names = shown_parameters(results, MAX_PANELS)
        if said := of_shown(results, len(names), len(tuned(results))):
            note += f" {said}"
        panels = [_schedule(results, f"schedule-{place}", name, count=len(names)) for place, name in enumerate(names)]
        yield Section("The schedule that was found", note, panels, small=True)


def _with_gaps(results: Results) -> bool:
    return any(parameter.when for parameter in results.parameters)


def _panel(results: Results, name: str, parameter: str, *, count: int) -> Picture:
    rows = scored_with(results, parameter)
    return panel(
        name, lambda ax: plots.objective_against(results, ax, parameter),
        parameter_captions.of_objective_against(results, parameter), 240,
        f"Scatter chart of {results.objective.metric} against {parameter}.",
        hover_points.of_objective_against(results, parameter), rows[OBJECTIVE], count=count,
    )  # fmt: skip


def _schedule(results: Results, name: str, parameter: str, *, count: int) -> Picture:
    caption = parameter_captions.of_schedule(results, parameter)
    return panel(
        name, lambda ax: plots.schedule(results, ax, parameter), caption, 220,
        f"Step chart of {parameter} by epoch.", count=count,
    )  # fmt: skip
