"""Forecasts as a person and as a program read them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.legible import legible
from pipeline.results.numbers import format_number
from pipeline.results.summary import duration
from pipeline.simulation.forecast import Forecast, Span

__all__ = ["forecast_object", "forecast_view"]

_WORDS = ("scheduler", "search")
"""Columns that hold no numbers."""

_NOT_THERE = (
    "The time leaves out how long Ray and workers take to start, lost workers, and workers that slow each other down."
)


def forecast_view(forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None) -> RenderableType:
    """Forecasts for a terminal: a row for each, and what to bear in mind.

    Args:
        forecasts: The forecasts; at least one.
        about: Where their curves come from.
        price: What a worker costs for an hour; None where that is not known.
    """
    job = forecasts[0].job
    columns = [*_WORDS, "workers", "time", "in use", "worker time"]
    columns += ["cost"] if price is not None else []
    columns += ["epochs", "completed", f"best {job.objective.metric}", "found after"]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(Text(legible(column)), justify="left" if column in _WORDS else "right")
    for one in forecasts:
        table.add_row(*(Text(legible(cell)) for cell in _row(one, price)))
    repeats = len(forecasts[0].times)
    notes = [str(about["note"])]
    if repeats > 1:
        notes.append(
            f"Each number is the median of {repeats} seeds; in brackets the least and the greatest best value."
        )
    trained = sum(once.epochs for one in forecasts for once in one.times)
    extended = sum(once.extended for one in forecasts for once in one.times)
    if extended:
        notes.append(f"{extended / trained:.0%} of the epochs were never recorded: they are extended.")
    over = dict.fromkeys(once.over for one in forecasts for once in one.times if once.over)
    notes += [*list(over)[:3], _NOT_THERE]
    return Group(table, Text(legible("\n" + "\n".join(notes)), style="dim"))


def forecast_object(forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None) -> dict[str, Any]:
    """Forecasts as JSON values.

    Args:
        forecasts: The forecasts; at least one.
        about: Where their curves come from.
        price: What a worker costs for an hour; None where that is not known.
    """
    job = forecasts[0].job
    return {
        "job": job.name,
        "objective": asdict(job.objective),
        "trials": job.budget.trials,
        "epochs": job.budget.epochs,
        "curves": dict(about),
        "price": price,
        "forecasts": [
            {
                "scheduler": one.job.scheduler.kind,
                "searcher": one.job.searcher.kind,
                "workers": one.workers,
                "seconds": _span(one.span(lambda once: once.seconds)),
                "worker_seconds": _span(one.span(lambda once: once.worker_seconds)),
                "cost": _span(_cost(one, price)),
                "best": _span(one.span(lambda once: once.best)),
                "seeds": [asdict(once) for once in one.times],
            }
            for one in forecasts
        ],
    }


def _row(one: Forecast, price: float | None) -> list[str]:
    cells = [one.job.scheduler.kind, one.job.searcher.kind, str(one.workers)]
    cells.append(_told(one.span(lambda once: once.seconds), duration))
    cells.append(_told(one.span(lambda once: once.utilisation), "{:.0%}".format))
    cells.append(_told(one.span(lambda once: once.worker_seconds), duration))
    if price is not None:
        cells.append(_told(_cost(one, price), "{:,.2f}".format))
    cells.append(_told(one.span(lambda once: once.epochs), "{:,.0f}".format))
    cells.append(_told(one.span(lambda once: once.completed), "{:,.0f}".format))
    cells.append(_told(one.span(lambda once: once.best), format_number, spread=True))
    cells.append(_told(one.span(lambda once: once.grown[-1][0] if once.grown else None), duration))
    return cells


def _cost(one: Forecast, price: float | None) -> Span | None:
    return None if price is None else one.span(lambda once: once.worker_seconds / 3600 * price)


def _told(span: Span | None, form: Any, *, spread: bool = False) -> str:
    if span is None:
        return "–"
    low, middle, high = (form(value) for value in (span.low, span.middle, span.high))
    return middle if low == high or not spread else f"{middle} ({low} to {high})"


def _span(span: Span | None) -> dict[str, float] | None:
    return None if span is None else {"median": span.middle, "low": span.low, "high": span.high}
