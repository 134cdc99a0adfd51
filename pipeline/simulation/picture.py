"""Forecasts as a picture: the best value so far against simulated time."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.results.plots.compare import look_of
from pipeline.results.summary import counted
from pipeline.simulation.forecast import Forecast

__all__ = ["forecast_picture"]

_HIGH, _WIDE = 3.6, 4.6
"""A panel's size in inches."""


def forecast_picture(forecasts: Sequence[Forecast], form: str) -> bytes:
    """A panel for each number of workers, in it a line for each scheduler and searcher.

    Args:
        forecasts: The forecasts; at least one.
        form: `png`, `svg` or `pdf`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from pipeline.results.plots.style import plainly, style, window

    objective = forecasts[0].job.objective
    counts = sorted({one.workers for one in forecasts})
    with style():
        figure = Figure(figsize=(max(_WIDE * len(counts), 6), _HIGH), dpi=120)
        FigureCanvasAgg(figure)
        shown: list[float] = []
        panels = figure.subplots(1, len(counts), sharey=True, squeeze=False)[0]
        for workers, ax in zip(counts, panels, strict=True):
            for place, one in enumerate(one for one in forecasts if one.workers == workers):
                seconds, middle, low, high = _grown(one)
                if not len(seconds):
                    continue
                look = look_of(place)
                ax.step(seconds, middle, where="post", lw=2, label=_label(one, forecasts), **look)
                ax.plot(seconds[-1], middle[-1], "o", color=look["color"], ms=5)
                if len(one.times) > 1:
                    ax.fill_between(seconds, low, high, step="post", color=look["color"], alpha=0.12, lw=0)
                shown += middle.tolist()
            ax.set_title(counted(workers, "worker"))
            ax.set_xlabel("simulated seconds")
            plainly(ax.yaxis)
        if (limits := window(np.array(shown), objective.mode)) is not None:
            panels[0].set_ylim(limits)
        panels[0].set_ylabel(f"best {objective.metric} so far")
        if shown:
            panels[-1].legend(frameon=False, loc="lower right" if objective.mode == "max" else "upper right")
        file = io.BytesIO()
        figure.savefig(file, format=form)
    return file.getvalue()


def _label(one: Forecast, among: Sequence[Forecast]) -> str:
    """What tells a forecast from those it is drawn with."""
    searchers = {other.job.searcher.kind for other in among}
    schedulers = {other.job.scheduler.kind for other in among}
    if len(searchers) == 1:
        return one.job.scheduler.kind
    return one.job.searcher.kind if len(schedulers) == 1 else f"{one.job.scheduler.kind}, {one.job.searcher.kind}"


def _grown(one: Forecast) -> tuple[npt.NDArray[np.float64], ...]:
    """The moments at which any seed's best value got better, up to the end, and the median, worst and best of all."""
    times = [once for once in one.times if once.grown]
    if not times:
        return (np.empty(0),) * 4
    moments = np.unique([at for once in times for at, _ in once.grown])
    # Before the last of them has a value there is no median of all.
    begun, ends = max(once.grown[0][0] for once in times), np.median([once.seconds for once in times])
    moments = np.append(moments[(moments >= begun) & (moments < ends)], max(begun, ends))
    rows = []
    for once in times:
        at, values = np.array(once.grown).T
        rows.append(values[np.searchsorted(at, moments, side="right") - 1])
    best = np.array(rows)
    return moments, np.median(best, axis=0), best.min(axis=0), best.max(axis=0)
