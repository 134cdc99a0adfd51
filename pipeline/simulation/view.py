"""Forecasts as text and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.results.views.fitted import Column, FittedTable
from pipeline.sanitize import sanitize
from pipeline.simulation.forecast import Forecast, Span
from pipeline.wording import duration, format_number

__all__ = ["forecast_object", "forecast_view"]

_TEXT_COLUMNS = ("scheduler", "search")
"""Columns without numbers."""

_EXTRA_COLUMNS = ("in use", "worker time", "epochs", "completed", "found after")
"""Columns that are left out on a narrow terminal."""

_LEFT_OUT = "The time excludes the start of Ray and of workers, lost workers, and workers that slow each other down."


def forecast_view(forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None) -> RenderableType:
    """The forecasts for a terminal: a row for each, and notes on their meaning.

    Args:
        forecasts: The forecasts; at least one.
        about: The source of their curves.
        price: The price of a worker for one hour; None if unknown.
    """
    job = forecasts[0].job
    columns = [*_TEXT_COLUMNS, "workers", "time", "in use", "worker time"]
    columns += ["cost"] if price is not None else []
    columns += ["epochs", "completed", f"best {job.objective.metric}", "found after"]
    table = FittedTable(
        [
            Column(name, right=name not in _TEXT_COLUMNS, keep="extra" if name in _EXTRA_COLUMNS else "whole")
            for name in columns
        ],
        more="a wider terminal or --json shows them",
    )
    for forecast in forecasts:
        table.add_row(*_row(forecast, price))
    repeats = len(forecasts[0].results)
    notes = [str(about["note"])]
    if repeats > 1:
        notes.append(
            f"Each number is the median of {repeats} seeds; in brackets the lowest and the highest best value."
        )
    results = [result for forecast in forecasts for result in forecast.results]
    trained = sum(result.epochs for result in results)
    extended = sum(result.extended for result in results)
    if extended:
        notes.append(f"{extended / trained:.0%} of the epochs were not recorded; their values are extended.")
    over = dict.fromkeys(result.over for result in results if result.over)
    notes += [*list(over)[:3], _LEFT_OUT]
    return Group(table, Text(sanitize("\n" + "\n".join(notes)), style="dim"))


def forecast_object(forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None) -> dict[str, Any]:
    """The forecasts as JSON values.

    Args:
        forecasts: The forecasts; at least one.
        about: The source of their curves.
        price: The price of a worker for one hour; None if unknown.
    """
    job = forecasts[0].job
    return {
        "job": job.name,
        "objective": {"metric": job.objective.metric, "mode": job.objective.mode},
        "trials": job.budget.trials,
        "epochs": job.budget.epochs,
        "curves": dict(about),
        "price": price,
        "forecasts": [
            {
                "scheduler": forecast.job.scheduler.kind,
                "searcher": forecast.job.searcher.kind,
                "workers": forecast.workers,
                "seconds": _span(forecast.span(lambda result: result.seconds)),
                "worker_seconds": _span(forecast.span(lambda result: result.worker_seconds)),
                "cost": _span(_cost(forecast, price)),
                "best": _span(forecast.span(lambda result: result.best)),
                "seeds": [asdict(result) for result in forecast.results],
            }
            for forecast in forecasts
        ],
    }


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
