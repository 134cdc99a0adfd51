"""Forecasts as a table, as JSON values, and as a picture of the best value over simulated time."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.results.views.table import Column, Table
from pipeline.simulation.forecast import BestPair, Forecast, SeedResult, Span, best_pairs, hypervolumes
from pipeline.study import TuneJob
from pipeline.text import counted, duration, format_number, sanitize

_TEXT_COLUMNS = ("scheduler", "search")
"""Columns without numbers."""

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

_LEFT_OUT = "The time excludes the start of Ray and of workers, lost workers, and workers that slow each other down."


def forecast_view(
    forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None, own: TuneJob
) -> RenderableType:
    """The forecasts for a terminal: a row for each, and notes on their meaning."""
    job = forecasts[0].job
    volumes = hypervolumes(forecasts)
    with_volume = any(share is not None for shares in volumes for share in shares)
    columns = [*_TEXT_COLUMNS, "workers", "time", "in use", "worker time"]
    columns += ["cost"] if price is not None else []
    columns += ["epochs", "completed", f"best {job.objective.metric}", "found after"]
    columns += ["hypervolume"] if with_volume else []
    rows = []
    for forecast, shares in zip(forecasts, volumes, strict=True):
        volume = [_cell(Span.of(shares), "{:.1%}".format, spread=True)] if with_volume else []
        rows.append(dict(zip(columns, [*_row(forecast, price), *volume], strict=True)))
    shown = [
        Column(name, right=name not in _TEXT_COLUMNS, keep="extra" if name in _EXTRA_COLUMNS else "whole")
        for name in columns
    ]
    table = Table("", shown, rows, more="a wider terminal or --json shows them")
    repeats = len(forecasts[0].results)
    best = [_best_in_words(pair, with_volume=with_volume) for pair in best_pairs(forecasts)]
    notes = [*best, *_own_in_words(own), str(about["note"])]
    if len(job.objectives) > 1:
        notes.append(_VOLUME if with_volume else _NO_VOLUME)
    results = [result for forecast in forecasts for result in forecast.results]
    if any(one.bounded for one in job.objectives) and any(result.best is None for result in results):
        notes.append(_NO_BEST)
    if repeats > 1:
        notes.append(
            f"Each number is the median of {repeats} seeds; in brackets the lowest and the highest best value."
        )
    trained = sum(result.epochs for result in results)
    extended = sum(result.extended for result in results)
    if extended:
        notes.append(f"{extended / trained:.0%} of the epochs were not recorded; their values are extended.")
    over = dict.fromkeys(result.over for result in results if result.over)
    notes += [*list(over)[:3], _LEFT_OUT]
    return Group(table, Text(sanitize("\n" + "\n".join(notes)), style="dim"))


def forecast_object(
    forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None, own: TuneJob
) -> dict[str, Any]:
    """The forecasts as JSON values."""
    job = forecasts[0].job
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
            for pair in best_pairs(forecasts)
        ],
        "forecasts": [
            {
                **_pair(forecast.job),
                "workers": forecast.workers,
                "seconds": _span(forecast.span(lambda result: result.seconds)),
                "worker_seconds": _span(forecast.span(lambda result: result.worker_seconds)),
                "cost": _span(_cost(forecast, price)),
                "best": _span(forecast.span(lambda result: result.best)),
                "hypervolume": _span(Span.of(shares)),
                "seeds": [
                    {**_without_front(result), "hypervolume": share}
                    for result, share in zip(forecast.results, shares, strict=True)
                ],
            }
            for forecast, shares in zip(forecasts, hypervolumes(forecasts), strict=True)
        ],
    }


def _pair(job: TuneJob) -> dict[str, str]:
    return {"scheduler": job.scheduler.kind, "searcher": job.searcher.kind}


def _pair_in_words(job: TuneJob) -> str:
    return f"{job.scheduler.kind} with {job.searcher.kind}"


def _own_in_words(job: TuneJob) -> list[str]:
    if job.recommended == {"scheduler", "searcher"}:
        why = "as recommended for this job"
    elif job.recommended:
        named, chosen = ("searcher", "scheduler") if "scheduler" in job.recommended else ("scheduler", "searcher")
        why = f"the job's own {named} and the {chosen} that is recommended with it"
    else:
        why = "as the job says"
    sentences = [f"Without --scheduler and --search, `run` uses {_pair_in_words(job)}: {why}."]
    recommended = job.with_recommended
    if _pair(recommended) != _pair(job):
        sentences.append(f"Recommended for a job that names neither: {_pair_in_words(recommended)}.")
    return sentences


def _best_in_words(pair: BestPair, *, with_volume: bool) -> str:
    form = "{:.1%}".format if with_volume else format_number
    apart = (lambda share: f"{100 * share:.1f}") if with_volume else format_number
    unit = " percentage points" if with_volume else ""
    measure = "hypervolume" if with_volume else pair.best.job.objective.metric
    following = _pair_in_words(pair.next.job)
    found = (
        f"Best with {counted(pair.best.workers, 'worker')}: {_pair_in_words(pair.best.job)}, with a mean {measure} of "
        f"{form(pair.mean)} at the end; next is {following}, worse by {apart(pair.difference)}{unit}"
    )
    if pair.interval is None:
        return f"{found}. One seed cannot separate them: use --repeats."
    low, high = (apart(end) for end in pair.interval)
    so = "" if pair.separated else ", so the difference may be chance: use more --repeats"
    return f"{found} (90% interval {low} to {high}{so})."


def _without_front(result: SeedResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(result).items() if name != "front"}


def _row(forecast: Forecast, price: float | None) -> list[str]:
    cells = [forecast.job.scheduler.kind, forecast.job.searcher.kind, str(forecast.workers)]
    cells.append(_cell(forecast.span(lambda result: result.seconds), duration))
    cells.append(_cell(forecast.span(lambda result: result.utilisation), "{:.0%}".format))
    cells.append(_cell(forecast.span(lambda result: result.worker_seconds), duration))
    if price is not None:
        cells.append(_cell(_cost(forecast, price), "{:,.2f}".format))
    cells.append(_cell(forecast.span(lambda result: result.epochs), "{:,.0f}".format))
    cells.append(_cell(forecast.span(lambda result: result.completed), "{:,.0f}".format))
    cells.append(_cell(forecast.span(lambda result: result.best), format_number, spread=True))
    cells.append(_cell(forecast.span(lambda result: result.best_curve[-1][0] if result.best_curve else None), duration))
    return cells


def _cost(forecast: Forecast, price: float | None) -> Span | None:
    return None if price is None else forecast.span(lambda result: result.worker_seconds / 3600 * price)


def _cell(span: Span | None, form: Any, *, spread: bool = False) -> str:
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

    from pipeline.results.plots.comparison_picture import look_of
    from pipeline.results.plots.style import axis_limits, plain_numbers, style

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
