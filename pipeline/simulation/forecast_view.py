"""Forecasts as a table, as JSON values, and as a picture of the best value over simulated time."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.results.views.table import Column, Table
from pipeline.simulation.forecast import BestPair, Forecast, Span, best_pairs, hypervolumes
from pipeline.study import TuneJob
from pipeline.text import counted, duration, format_number, sanitize

_WORDS = ("scheduler", "search")
_EXTRA_COLUMNS = ("in use", "worker time", "epochs", "completed", "found after")
"""Columns that are left out on a narrow terminal."""

_HIGH, _WIDE = 3.6, 4.6
"""A panel's size in inches."""

_VOLUME = (
    "The hypervolume is the share of a box that all epochs of a study dominate; rows with the same seed have the same "
    "box, whose reference point is a tenth of the front's range beyond the front."
)
_NO_VOLUME = "The curves have no epoch with values in all objectives within their bounds, so there is no hypervolume."
_NO_BEST = "A best value is left out where no trial is within the bounds of the objectives."
_SEEDS = "Each number is the median of {} seeds; in brackets the lowest and the highest best value."
_LEFT_OUT = "The time excludes the start of Ray and of workers, lost workers, and workers that slow each other down."


def _numbers(forecast: Forecast, shares: Sequence[float | None], price: float | None) -> Iterator[tuple[Any, ...]]:
    """The numbers of a forecast: title, key in JSON, span over the seeds, and format."""
    yield "time", "seconds", forecast.span(lambda one: one.seconds), duration
    yield "in use", "utilisation", forecast.span(lambda one: one.utilisation), "{:.0%}".format
    yield "worker time", "worker_seconds", forecast.span(lambda one: one.worker_seconds), duration
    cost = None if price is None else forecast.span(lambda one: one.worker_seconds / 3600 * price)
    yield "cost", "cost", cost, "{:,.2f}".format
    yield "epochs", "epochs", forecast.span(lambda one: one.epochs), "{:,.0f}".format
    yield "completed", "completed", forecast.span(lambda one: one.completed), "{:,.0f}".format
    yield f"best {forecast.job.objective.metric}", "best", forecast.span(lambda one: one.best), format_number
    found = forecast.span(lambda one: one.best_curve[-1][0] if one.best_curve else None)
    yield "found after", "found_after", found, duration
    yield "hypervolume", "hypervolume", Span.of(shares), "{:.1%}".format


def forecast_view(
    forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None, own: TuneJob
) -> RenderableType:
    """The forecasts for a terminal: a row for each, and notes on their meaning."""
    job, volumes = forecasts[0].job, hypervolumes(forecasts)
    with_volume = any(share is not None for shares in volumes for share in shares)
    absent = {"cost"} if price is None else set()
    absent |= set() if with_volume else {"hypervolume"}
    rows = []
    for forecast, shares in zip(forecasts, volumes, strict=True):
        scheduler, searcher = _pair(forecast.job).values()
        row = {"scheduler": scheduler, "search": searcher, "workers": str(forecast.workers)}
        for title, key, span, form in _numbers(forecast, shares, price):
            if key not in absent:
                row[title] = _cell(span, form, spread=key in ("best", "hypervolume"))
        rows.append(row)
    columns = [
        Column(name, name, right=name not in _WORDS, keep="extra" if name in _EXTRA_COLUMNS else "whole")
        for name in rows[0]
    ]
    table = Table("", columns, rows, more="a wider terminal or --json shows them")
    notes = [_best_in_words(pair, with_volume=with_volume) for pair in best_pairs(forecasts)]
    notes += [*_own_in_words(own), str(about["note"])]
    if len(job.objectives) > 1:
        notes.append(_VOLUME if with_volume else _NO_VOLUME)
    results = [result for forecast in forecasts for result in forecast.results]
    if any(one.bounded for one in job.objectives) and any(result.best is None for result in results):
        notes.append(_NO_BEST)
    if (repeats := len(forecasts[0].results)) > 1:
        notes.append(_SEEDS.format(repeats))
    if extended := sum(result.extended for result in results):
        share = extended / sum(result.epochs for result in results)
        notes.append(f"{share:.0%} of the epochs were not recorded; their values are extended.")
    notes += [*list(dict.fromkeys(result.over for result in results if result.over))[:3], _LEFT_OUT]
    return Group(table, Text(sanitize("\n" + "\n".join(notes)), style="dim"))


def forecast_object(
    forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None, own: TuneJob
) -> dict[str, Any]:
    """The forecasts as JSON values."""
    job = forecasts[0].job
    pairs, found = best_pairs(forecasts), []
    for forecast, shares in zip(forecasts, hypervolumes(forecasts), strict=True):
        spans = {key: _span(span) for _, key, span, _ in _numbers(forecast, shares, price)}
        seeds = [
            {name: value for name, value in asdict(result).items() if name != "front"} | {"hypervolume": share}
            for result, share in zip(forecast.results, shares, strict=True)
        ]
        found.append({**_pair(forecast.job), "workers": forecast.workers, **spans, "seeds": seeds})
    return {
        "job": job.name,
        "objective": {"metric": job.objective.metric, "mode": job.objective.mode},
        "trials": job.budget.trials,
        "epochs": job.budget.epochs,
        "curves": dict(about),
        "price": price,
        "run_takes": {**_pair(own), "recommended": sorted(own.recommended)},
        "recommended_pair": _pair(own.with_recommended),
        "best_pairs": [
            {
                "workers": pair.best.workers,
                **_pair(pair.best.job),
                "mean": pair.mean,
                "next": _pair(pair.next.job),
                "difference": pair.difference,
                "interval": None if pair.interval is None else list(pair.interval),
                "separated": pair.separated,
            }
            for pair in pairs
        ],
        "forecasts": found,
    }


def _pair(job: TuneJob) -> dict[str, str]:
    return {"scheduler": job.scheduler.kind, "searcher": job.searcher.kind}


def _own_in_words(job: TuneJob) -> list[str]:
    own, recommended = (" with ".join(_pair(each).values()) for each in (job, job.with_recommended))
    chosen = " and ".join(sorted(job.recommended))
    why = f"the {chosen} as recommended for this job" if chosen else "as the job says"
    notes = [f"Without --scheduler and --search, `run` uses {own}: {why}."]
    if recommended != own:
        notes.append(f"Recommended for a job that names neither: {recommended}.")
    return notes


def _best_in_words(pair: BestPair, *, with_volume: bool) -> str:
    form = "{:.1%}".format if with_volume else format_number
    best, following = (" with ".join(_pair(each.job).values()) for each in (pair.best, pair.next))
    found = (
        f"Best with {counted(pair.best.workers, 'worker')}: {best}, with a mean of {form(pair.mean)}; next is "
        f"{following}, worse by {form(pair.difference)}"
    )
    if pair.interval is None:
        return f"{found}. One seed cannot separate them: use --repeats."
    low, high = (form(end) for end in pair.interval)
    so = "" if pair.separated else ", so the difference may be chance: use more --repeats"
    return f"{found} (90% interval {low} to {high}{so})."


def _cell(span: Span | None, form: Any, *, spread: bool) -> str:
    if span is None:
        return "–"
    low, middle, high = (form(value) for value in (span.low, span.middle, span.high))
    return middle if low == high or not spread else f"{middle} ({low} to {high})"


def _span(span: Span | None) -> dict[str, float] | None:
    return None if span is None else {"median": span.middle, "low": span.low, "high": span.high}


def forecast_picture(forecasts: Sequence[Forecast], form: str) -> bytes:
    """A panel for each number of workers, with a line for each scheduler and searcher."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from pipeline.results.plots.style import axis_limits, look_of, plain_numbers, style

    objective = forecasts[0].job.objective
    counts = sorted({forecast.workers for forecast in forecasts})
    with style():
        figure = Figure(figsize=(max(_WIDE * len(counts), 6), _HIGH), dpi=120)
        FigureCanvasAgg(figure)
        shown: list[float] = []
        panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for workers, ax in zip(counts, panels, strict=True):
            for index, forecast in enumerate(forecast for forecast in forecasts if forecast.workers == workers):
                seconds, middle, low, high = _best_curve(forecast)
                if not len(seconds):
                    continue
                look = look_of(index)
                ax.step(seconds, middle, where="post", lw=2, label=_label(forecast, forecasts), **look)
                ax.plot(seconds[-1], middle[-1], "o", color=look["color"], ms=5)
                if len(forecast.results) > 1:
                    ax.fill_between(seconds, low, high, step="post", color=look["color"], alpha=0.12, lw=0)
                shown += middle.tolist()
            ax.set_title(counted(workers, "worker"))
            ax.set_xlabel("simulated seconds")
            plain_numbers(ax.yaxis)
        if (limits := axis_limits(np.array(shown), objective.mode)) is not None:
            panels[0].set_ylim(limits)
        panels[0].set_ylabel(f"best {objective.metric} so far")
        if shown:
            panels[-1].legend(frameon=False, loc="lower right" if objective.mode == "max" else "upper right")
        file = io.BytesIO()
        figure.savefig(file, format=form)
    return file.getvalue()


def _label(forecast: Forecast, among: Sequence[Forecast]) -> str:
    """What distinguishes a forecast from the others in the picture."""
    searchers = {other.job.searcher.kind for other in among}
    schedulers = {other.job.scheduler.kind for other in among}
    if len(searchers) == 1:
        return forecast.job.scheduler.kind
    scheduler, searcher = forecast.job.scheduler.kind, forecast.job.searcher.kind
    return searcher if len(schedulers) == 1 else f"{scheduler}, {searcher}"


def _best_curve(forecast: Forecast) -> tuple[npt.NDArray[np.float64], ...]:
    """Moments at which any seed's best value improves, up to the end, and the median, minimum and maximum there."""
    results = [result for result in forecast.results if result.best_curve]
    if not results:
        return (np.empty(0),) * 4
    moments = np.unique([at for result in results for at, _ in result.best_curve])
    # There is no median of all before the last of them has a value.
    start, end = max(result.best_curve[0][0] for result in results), np.median([result.seconds for result in results])
    moments = np.append(moments[(moments >= start) & (moments < end)], max(start, end))
    rows = []
    for result in results:
        at, values = np.array(result.best_curve).T
        rows.append(values[np.searchsorted(at, moments, side="right") - 1])
    best = np.array(rows)
    return moments, np.median(best, axis=0), best.min(axis=0), best.max(axis=0)
