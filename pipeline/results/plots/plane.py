"""Pictures of a plane, for studies of two numbers: the objective over it, and the trials' paths."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.tri import Triangulation

from pipeline.results.analysis.parameters import OBJECTIVE, TRIAL, is_log, scored, tuned
from pipeline.results.plots.axes import parameter_axis
from pipeline.results.plots.style import ACCENT, INK, MUTED, PAPER
from pipeline.results.tables.load import Results
from pipeline.space import ListedDomain

_BANDS = 10


_MIN_TRIALS = 12


def has_plane(results: Results) -> bool:
    """Whether two numbers are all that a study draws, and enough trials have a value."""
    domains = [results.space[name] for name in tuned(results)]
    numbers = len(domains) == 2 and not any(isinstance(domain, ListedDomain) for domain in domains)
    return numbers and len(scored(results)) >= _MIN_TRIALS


def has_trajectories(results: Results) -> bool:
    """Whether epochs have metrics called x and y, and they change in some trial."""
    epochs = results.epochs
    return {"x", "y"} <= set(epochs.columns) and bool((epochs.groupby("trial_id")["x"].nunique() > 1).any())


def landscape(results: Results, ax: Axes) -> Axes:
    """Draw the objective over two hyperparameters: bands between the trials, each with as many of them, and the
    trials.
    """
    names, rows = tuned(results), scored(results)
    places = [rows[name].to_numpy(np.float64) for name in names]
    values = rows[OBJECTIVE].to_numpy()
    for axis, name, place in zip(("x", "y"), names, places, strict=True):
        parameter_axis(ax, results.space[name], place, axis=axis)  # type: ignore[arg-type]
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.grid(False)
    levels = np.unique(np.quantile(values, np.linspace(0, 1, _BANDS + 1)))
    if (triangles := _triangles(results, names, places)) is not None and len(levels) > 2:
        strength = np.linspace(0.05, 0.75, len(levels) - 1)
        if results.objective.mode == "min":
            strength = strength[::-1]
        ax.tricontourf(triangles, values, levels=levels, colors=[to_rgba(ACCENT, float(one)) for one in strength])
    best = (rows[TRIAL] == (results.best.trial_id if results.best else None)).to_numpy()
    many: dict[str, Any] = {"mec": PAPER, "mew": 0.5, "rasterized": len(rows) > 1000}
    ax.plot(places[0][~best], places[1][~best], "o", color=INK, ms=3.5, **many)
    ax.plot(places[0][best], places[1][best], "o", color=PAPER, ms=9, mec=ACCENT, mew=2.5, zorder=5)
    return ax


def trajectories(results: Results, ax: Axes) -> Axes:
    """Draw where each trial went, epoch by epoch; the best one's way is thick, with a ring where it ends."""
    best = results.best.trial_id if results.best else None
    tracks = {
        str(trial): rows[["x", "y"]].to_numpy(np.float64)
        for trial, rows in results.epochs.sort_values("epoch").groupby("trial_id")
    }
    others = [track for trial, track in tracks.items() if trial != best]
    ax.add_collection(LineCollection(others, colors=MUTED, linewidths=1.0, alpha=0.6))
    ends = np.array([track[-1] for track in others]).reshape(-1, 2)
    ax.plot(ends[:, 0], ends[:, 1], "o", color=MUTED, ms=3.5, mew=0)
    if best in tracks:
        way = tracks[best]
        ax.plot(way[:, 0], way[:, 1], "-o", color=ACCENT, lw=2.2, ms=3, mew=0, zorder=4)
        ax.plot(*way[-1], "o", color=PAPER, ms=9, mec=ACCENT, mew=2.5, zorder=5)
        ax.annotate(
            f"trial {best}", way[-1], (8, 8), textcoords="offset points", color=ACCENT, weight="bold", zorder=6,
            bbox={"fc": PAPER, "ec": "none", "alpha": 0.8, "pad": 1},
        )  # fmt: skip
    ax.autoscale_view()
    ax.set_xlabel("x")
    ax.set_ylabel("y")
    return ax


def _triangles(results: Results, names: list[str], places: list[npt.NDArray[np.float64]]) -> Triangulation | None:
    """Triangles between places, formed as the axes show them; None if all lie on one line."""
    scaled = [
        np.log(place) if is_log(results.space[name]) else place for name, place in zip(names, places, strict=True)
    ]
    spans = [np.ptp(one) for one in scaled]
    if not all(spans):
        return None
    try:
        formed = Triangulation(*(one / span for one, span in zip(scaled, spans, strict=True)))
    except (RuntimeError, ValueError):
        return None
    return Triangulation(*places, formed.triangles)
