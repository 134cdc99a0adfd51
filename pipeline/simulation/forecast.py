"""Forecasts of a study: schedulers, searchers and numbers of workers over the same curves, as a table and as JSON."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.pareto import dominated_box, hypervolume
from pipeline.results.views.table import Column, Table
from pipeline.simulation.curves import CurveSource
from pipeline.simulation.simulator import SimulationResult, simulate
from pipeline.study import TuneJob
from pipeline.study.earlier_trials import EarlierTrials, earlier_studies
from pipeline.text import counted, duration, format_number, sanitize

_LEVEL = 0.9

_WORDS = ("scheduler", "search")
_EXTRA_COLUMNS = ("in use", "worker time", "epochs", "completed", "found after")
"""Columns that are left out on a narrow terminal."""

_VOLUME = (
    "The hypervolume is the share of a box that all epochs of a study dominate; rows with the same seed have the same "
    "box, whose reference point is a tenth of the front's range beyond the front."
)
_LEFT_OUT = "The time excludes the start of Ray and of workers, lost workers, and workers that slow each other down."


@dataclass(frozen=True, slots=True)
class Forecast:
    """One scheduler and one searcher with a number of workers, over several seeds."""

    job: TuneJob
    workers: int
    results: Sequence[SimulationResult]

    @property
    def pair(self) -> dict[str, str]:
        """The kinds of the scheduler and of the searcher."""
        return {"scheduler": self.job.scheduler.kind, "searcher": self.job.searcher.kind}

    def span(self, of: Callable[[SimulationResult], float | None]) -> dict[str, float] | None:
        """The median, the minimum and the maximum of a number over the seeds; None if no seed has it."""
        return _span([of(result) for result in self.results])


@dataclass(frozen=True, slots=True)
class BestPair:
    """The best of several pairs with one number of workers, and by how much it is better than the next."""

    best: Forecast
    mean: float
    next: Forecast
    difference: float
    interval: tuple[float, float] | None

    @property
    def separated(self) -> bool:
        """Whether the interval excludes that the next pair is as good."""
        return self.interval is not None and self.interval[0] > 0


def forecast(
    jobs: Iterable[TuneJob],
    workers: Sequence[int],
    curves: Callable[[TuneJob], CurveSource],
    *,
    repeats: int,
    earlier: Sequence[EarlierTrials] = (),
) -> Iterator[Forecast]:
    """Simulate jobs with several numbers of workers, one after the other."""
    for job in jobs:
        seeded = [job.replaced({"seed": job.seed + number}) for number in range(repeats)]
        sources = [(each, curves(each)) for each in seeded]
        for count in workers:
            results = [
                simulate(each, source, count, earlier=earlier_studies(each, earlier)) for each, source in sources
            ]
            yield Forecast(job, count, results)


def hypervolumes(forecasts: Sequence[Forecast]) -> list[list[float | None]]:
    """The share of a box that the trials of each simulated study dominate at its end."""
    boxes = []
    for results in zip(*(forecast.results for forecast in forecasts), strict=True):
        fronts = [np.array(result.front) for result in results if result.front]
        boxes.append(dominated_box(np.concatenate(fronts)) if fronts else None)
    return [
        [_share(result, box) for result, box in zip(forecast.results, boxes, strict=True)] for forecast in forecasts
    ]


def best_pairs(forecasts: Sequence[Forecast]) -> list[BestPair]:
    """The best pair for each number of workers, by its mean over the seeds after the budget."""
    volumes = hypervolumes(forecasts)
    by_volume = _any_share(volumes)
    sign = 1.0 if by_volume or forecasts[0].job.objective.mode == "max" else -1.0
    values = volumes if by_volume else [[result.best for result in one.results] for one in forecasts]
    found = []
    for workers in dict.fromkeys(forecast.workers for forecast in forecasts):
        complete = [
            (forecast, sign * np.array(of_seeds, np.float64))
            for forecast, of_seeds in zip(forecasts, values, strict=True)
            if forecast.workers == workers and None not in of_seeds
        ]
        if len(complete) > 1:
            (best, better), (following, worse) = sorted(complete, key=lambda one: -float(one[1].mean()))[:2]
            apart = better - worse
            pair = BestPair(best, sign * float(better.mean()), following, float(apart.mean()), _interval(apart))
            found.append(pair)
    return found


def _any_share(volumes: Sequence[Sequence[float | None]]) -> bool:
    return any(share is not None for shares in volumes for share in shares)


def _share(result: SimulationResult, box: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None) -> Any:
    if box is None or not result.front:
        return None if box is None else 0.0
    ideal, corner = box
    return hypervolume((np.array(result.front) - ideal) / (corner - ideal), np.ones(len(ideal)))


def _interval(apart: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """Student's interval for the mean of paired differences."""
    if len(apart) < 2:
        return None
    from scipy.stats import t

    mean = float(apart.mean())
    reach = float(t.ppf((1 + _LEVEL) / 2, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart)))
    return mean - reach, mean + reach


def _span(numbers: Sequence[float | None]) -> dict[str, float] | None:
    known = [number for number in numbers if number is not None]
    return {"median": median(known), "low": min(known), "high": max(known)} if known else None


def _numbers(forecast: Forecast, shares: Sequence[float | None], price: float | None) -> Iterator[tuple[Any, ...]]:
    """The numbers of a forecast: title, key in JSON, span over the seeds, and format."""
    yield "time", "seconds", forecast.span(lambda one: one.seconds), duration
    yield "in use", "utilisation", forecast.span(lambda one: one.utilisation), "{:.0%}".format
    yield "worker time", "worker_seconds", forecast.span(lambda one: one.worker_seconds), duration
    cost = None if price is None else forecast.span(lambda one: one.worker_seconds / 3600 * price)
    yield "cost", "cost", cost, "{:,.2f}".format
    yield "epochs", "epochs", forecast.span(lambda one: one.epochs), "{:,.0f}".format
    yield "completed", "completed", forecast.span(lambda one: one.ended("completed")), "{:,.0f}".format
    yield f"best {forecast.job.objective.metric}", "best", forecast.span(lambda one: one.best), format_number
    found = forecast.span(lambda one: one.best_curve[-1][0] if one.best_curve else None)
    yield "found after", "found_after", found, duration
    yield "hypervolume", "hypervolume", _span(shares), "{:.1%}".format


def forecast_view(forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None) -> RenderableType:
    """The forecasts for a terminal: a row for each, and notes on their meaning."""
    volumes = hypervolumes(forecasts)
    with_volume = _any_share(volumes)
    absent = {key for key, there in (("cost", price is not None), ("hypervolume", with_volume)) if not there}
    rows = []
    for forecast, shares in zip(forecasts, volumes, strict=True):
        scheduler, searcher = forecast.pair.values()
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
    notes += [str(about["note"]), *([_VOLUME] if with_volume else [])]
    if (repeats := len(forecasts[0].results)) > 1:
        notes.append(
            f"Each number is the median of {repeats} seeds; in brackets the lowest and the highest best value."
        )
    results = [result for forecast in forecasts for result in forecast.results]
    if extended := sum(result.extended for result in results):
        share = extended / sum(result.epochs for result in results)
        notes.append(f"{share:.0%} of the epochs were not recorded; their values are extended.")
    notes += [*list(dict.fromkeys(result.end_reason for result in results if result.end_reason))[:3], _LEFT_OUT]
    return Group(table, Text(sanitize("\n" + "\n".join(notes)), style="dim"))


def forecast_object(forecasts: Sequence[Forecast], about: Mapping[str, Any], *, price: float | None) -> dict[str, Any]:
    """The forecasts as JSON values."""
    job, found = forecasts[0].job, []
    for forecast, shares in zip(forecasts, hypervolumes(forecasts), strict=True):
        spans = {key: span for _, key, span, _ in _numbers(forecast, shares, price)}
        seeds = [
            {
                "seed": result.seed,
                **{name: getattr(result, name) for name in ("seconds", "worker_seconds", "utilisation", "epochs")},
                "extended": result.extended,
                **{state: result.ended(state) for state in ("completed", "stopped", "failed")},
                "best": result.best,
                "best_curve": result.best_curve,
                "over": result.end_reason,
                "hypervolume": share,
            }
            for result, share in zip(forecast.results, shares, strict=True)
        ]
        found.append({**forecast.pair, "workers": forecast.workers, **spans, "seeds": seeds})
    return {
        "job": job.name,
        "objective": {"metric": job.objective.metric, "mode": job.objective.mode},
        "trials": job.budget.trials,
        "epochs": job.budget.epochs,
        "curves": dict(about),
        "price": price,
        "best_pairs": [
            {
                "workers": pair.best.workers,
                **pair.best.pair,
                "mean": pair.mean,
                "next": pair.next.pair,
                "difference": pair.difference,
                "interval": pair.interval,
                "separated": pair.separated,
            }
            for pair in best_pairs(forecasts)
        ],
        "forecasts": found,
    }


def _best_in_words(pair: BestPair, *, with_volume: bool) -> str:
    form = "{:.1%}".format if with_volume else format_number
    best, following = (" with ".join(each.pair.values()) for each in (pair.best, pair.next))
    found = (
        f"Best with {counted(pair.best.workers, 'worker')}: {best}, with a mean of {form(pair.mean)}; next is "
        f"{following}, worse by {form(pair.difference)}"
    )
    if pair.interval is None:
        return f"{found}. One seed cannot separate them: use --repeats."
    low, high = (form(end) for end in pair.interval)
    so = "" if pair.separated else ", so the difference may be chance: use more --repeats"
    return f"{found} (90% interval {low} to {high}{so})."


def _cell(span: dict[str, float] | None, form: Any, *, spread: bool) -> str:
    if span is None:
        return "–"
    middle, low, high = (form(value) for value in span.values())
    return str(middle if low == high or not spread else f"{middle} ({low} to {high})")
