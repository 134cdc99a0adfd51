"""Forecasts as a picture: the best value so far over simulated time."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.results.plots.comparison_picture import look_of
from pipeline.simulation.forecast import Forecast
from pipeline.wording import counted

_HIGH, _WIDE = 3.6, 4.6
"""A panel's size in inches."""


def forecast_picture(forecasts: Sequence[Forecast], form: str) -> bytes:
    """A panel for each number of workers, with a line for each scheduler and searcher."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

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
