"""Forecasts of a study: schedulers, searchers and numbers of workers over the same curves, as one table."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from pipeline.results.views.table import Column, Table
from pipeline.simulation.curves import CurveSource
from pipeline.simulation.simulator import SimulationResult, simulate
from pipeline.study import TuneJob
from pipeline.text import duration, format_number


@dataclass(frozen=True, slots=True)
class Forecast:
    """One scheduler and one searcher with a number of workers, over several seeds."""

    job: TuneJob
    workers: int
    results: Sequence[SimulationResult]

    def middle(self, of: Callable[[SimulationResult], float | None]) -> float | None:
        """The median of a number over the seeds that have it."""
        known = [number for result in self.results if (number := of(result)) is not None]
        return median(known) if known else None


def forecast(
    jobs: Iterable[TuneJob],
    workers: Sequence[int],
    curves: Callable[[TuneJob], CurveSource],
    *,
    repeats: int,
) -> Iterator[Forecast]:
    """Simulate jobs with several numbers of workers, one after the other."""
    for job in jobs:
        seeded = [job.replaced({"seed": job.seed + number}) for number in range(repeats)]
        sources = [(each, curves(each)) for each in seeded]
        for count in workers:
            yield Forecast(job, count, [simulate(each, source, count) for each, source in sources])


def forecast_table(forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None) -> Table:
    """The forecasts: a row for each, with medians over the seeds, and what they mean."""
    job, repeats = forecasts[0].job, len(forecasts[0].results)
    rows = [_row(forecast, price) for forecast in forecasts]
    columns = [
        Column("scheduler", keep="whole"),
        Column("searcher", "search", keep="whole"),
        Column("workers", right=True, keep="whole"),
        Column("seconds", "time", duration, right=True, keep="whole"),
        Column("utilisation", "in use", "{:.0%}".format, right=True, keep="extra"),
        Column("worker_seconds", "worker time", duration, right=True, keep="extra"),
        *([Column("cost", text="{:,.2f}".format, right=True, keep="whole")] if price is not None else []),
        Column("epochs", text="{:,.0f}".format, right=True, keep="extra"),
        Column("completed", text="{:,.0f}".format, right=True, keep="extra"),
        Column("best", f"best {job.objective.metric}", _optional(format_number), right=True, keep="whole"),
        Column("best_range", "of all seeds", _range, right=True, keep="whole" if repeats > 1 else "extra"),
        Column("found_after", text=_optional(duration), right=True, keep="extra"),
    ]
    notes = [str(about["note"])]
    notes += [f"Each number is the median of {repeats} seeds."] if repeats > 1 else []
    results = [result for forecast in forecasts for result in forecast.results]
    if extended := sum(result.extended for result in results):
        share = extended / sum(result.epochs for result in results)
        notes.append(f"{share:.0%} of the epochs were not recorded; their values are extended.")
    notes += dict.fromkeys(result.end_reason for result in results if result.end_reason)
    notes.append("The time excludes the start of Ray and of workers, lost workers, and workers that share a machine.")
    facts = {
        "job": job.name, "objective": {"metric": job.objective.metric, "mode": job.objective.mode},
        "trials": job.budget.trials, "epochs": job.budget.epochs, "curves": about, "price": price, "seeds": repeats,
    }  # fmt: skip
    return Table("", columns, rows, " ".join(notes), "forecasts", facts)


def _row(forecast: Forecast, price: float | None) -> dict[str, Any]:
    bests = [result.best for result in forecast.results if result.best is not None]
    worker_seconds = forecast.middle(lambda one: one.worker_seconds)
    return {
        "scheduler": forecast.job.scheduler.kind,
        "searcher": forecast.job.searcher.kind,
        "workers": forecast.workers,
        "seconds": forecast.middle(lambda one: one.seconds),
        "utilisation": forecast.middle(lambda one: one.utilisation),
        "worker_seconds": worker_seconds,
        "cost": (worker_seconds or 0) / 3600 * (price or 0),
        "epochs": forecast.middle(lambda one: one.epochs),
        "completed": forecast.middle(lambda one: sum(trial.state == "completed" for trial in one.trials)),
        "best": forecast.middle(lambda one: one.best),
        "best_range": [min(bests), max(bests)] if bests else None,
        "found_after": forecast.middle(lambda one: one.best_curve[-1][0] if one.best_curve else None),
    }


def _optional(text: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: "–" if value is None else text(value)


def _range(ends: Sequence[float] | None) -> str:
    return " to ".join(dict.fromkeys(map(format_number, ends))) if ends else "–"
