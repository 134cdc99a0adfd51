"""How the objective depends on the hyperparameters."""

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.parameters import (
    OBJECTIVE,
    STATE,
    TRIAL,
    axis_positions,
    best_quarter,
    is_log,
    scored,
    scored_with,
    shown_parameters,
)
from pipeline.results.plots.axes import parameter_axis, short_text, width_in_points
from pipeline.results.plots.style import (
    ACCENT,
    BAD,
    INK,
    MAX_AXES,
    MAX_POINTS,
    MUTED,
    PAPER,
    axis_limits,
    plain_numbers,
    remove_frame,
    some_lines,
)
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_of
from pipeline.space import ListedDomain


def objective_against(results: Results, ax: Axes, parameter: str) -> Axes:
    """Draw each trial's best value against one hyperparameter, on the axis its domain is drawn on; of many trials
    some.
    """
    domain, rows = results.space[parameter], scored_with(results, parameter)
    places = axis_positions(domain, rows[parameter], spread=True)
    parameter_axis(ax, domain, places)
    ax.set_title(parameter, weight="bold", fontsize=9.5)
    ax.set_ylabel(results.objective.metric)
    limits = axis_limits(rows[OBJECTIVE], results.objective.mode)
    if limits is not None:
        ax.set_ylim(limits)
    many = len(rows) > 1000
    early = (rows[STATE] == "stopped").to_numpy()
    best = (rows[TRIAL] == (results.best.trial_id if results.best else None)).to_numpy()
    values = rows[OBJECTIVE].to_numpy()
    others = np.isin(np.arange(len(rows)), some_lines(len(rows), MAX_POINTS)) & ~best
    look: dict[str, Any] = {
        "ls": "",
        "marker": "o",
        "ms": 5,
        "rasterized": many,
        "alpha": 0.9 if len(rows) < 60 else 0.6,
    }
    ax.plot(places[early & others], values[early & others], mec=MUTED, mfc=PAPER, mew=1.1, **look)
    ax.plot(places[~early & others], values[~early & others], mec=PAPER, mfc=MUTED, mew=0.4, **look)
    # The best trial is hollow, too, if it was stopped early.
    stopped_best, full_best = best & early, best & ~early
    ax.plot(places[full_best], values[full_best], "o", color=ACCENT, ms=8, mec=PAPER, mew=1, zorder=5)
    ax.plot(places[stopped_best], values[stopped_best], "o", mfc=PAPER, ms=8, mec=ACCENT, mew=2, zorder=5)
    failed = configs_of(results.query("select * from trials where state = 'failed'"), {parameter: domain})
    settings = [config[parameter] for config in failed if config]
    if settings:
        lost = axis_positions(domain, settings)
        ax.plot(lost, np.full(len(lost), 0.03), "x", color=BAD, ms=6, mew=1.6, transform=ax.get_xaxis_transform())
    ax.yaxis.set_major_locator(MaxNLocator(5))
    plain_numbers(ax.yaxis)
    return ax


def parallel_coordinates(results: Results, ax: Axes) -> Axes:
    """Draw every trial as a line through its hyperparameters (of many the most influential ones) to its objective."""
    remove_frame(ax)
    names, rows = shown_parameters(results, MAX_AXES), scored(results)
    domains = {name: results.space[name] for name in names}
    columns = [_unit(domains[name], axis_positions(domains[name], rows[name])) for name in names]
    values = rows[OBJECTIVE].to_numpy()
    worst, top = _ends(values, results.objective.mode)
    columns.append(np.clip((values - worst) / (top - worst), 0, 1) if top != worst else np.full(len(values), 0.5))
    heights = np.array(columns).T
    front = np.flatnonzero(rows[TRIAL].isin(best_quarter(results, rows)[TRIAL]))
    best = np.flatnonzero(rows[TRIAL] == (results.best.trial_id if results.best else None))
    shown = some_lines(len(rows))
    for which, colour, width, alpha, layer in (
        (np.setdiff1d(shown, front), MUTED, 0.9, 0.45, 2),
        (np.setdiff1d(np.intersect1d(shown, front), best), ACCENT, 1.3, 0.5, 3),
        (best, ACCENT, 2.8, 1.0, 4),
    ):
        look: dict[str, Any] = {"colors": colour, "alpha": alpha, "zorder": layer}
        drawn = heights[which]
        lines = np.stack([np.broadcast_to(np.arange(drawn.shape[1]), drawn.shape), drawn], axis=-1)
        ax.add_collection(LineCollection(list(lines), linewidths=width, **look), autolim=False)
        gapped = lines[~np.isfinite(drawn).all(axis=1)]
        bridges = [bridge for line in gapped for bridge in _bridges(line)]
        ax.add_collection(LineCollection(bridges, linewidths=0.7 * width, linestyles="dotted", **look), autolim=False)
    titles = [*names, results.objective.metric]
    marks = [*(_marks(domains[name]) for name in names), _objective_marks(worst, top)]
    slanted = max(min(len(title), 16) for title in titles) * 6.5 > width_in_points(ax) / len(titles)
    for place, title in enumerate(titles):
        _upright(ax, place, title, marks[place], slanted=slanted)
    ax.set_xlim(-0.35, len(names) + (0.9 if slanted else 0.35))
    ax.set_ylim(-0.1, 1.12)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def _bridges(line: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Parts of a line over axes on which it has no value."""
    there = np.flatnonzero(np.isfinite(line[:, 1]))
    return [line[[start, end]] for start, end in itertools.pairwise(there) if end > start + 1]


def _ends(values: npt.NDArray[np.float64], mode: str) -> tuple[float, float]:
    """What the objective's axis shows at its lower and its upper end: better values are at the top."""
    if not len(values):
        return 0.0, 0.0
    best, worst = (values.max(), values.min()) if mode == "max" else (values.min(), values.max())
    shown = axis_limits(values, mode)
    if shown is not None:
        worst = max(worst, shown[0]) if mode == "max" else min(worst, shown[1])
    return float(worst), float(best)


def _objective_marks(worst: float, best: float) -> list[tuple[float, str]]:
    return [(0.0, short_text(worst)), (1.0, short_text(best))] if worst != best else [(0.5, short_text(best))]


def _upright(ax: Axes, place: int, name: str, marks: list[tuple[float, str]], *, slanted: bool) -> None:
    ax.plot([place, place], [0, 1], color=INK, lw=1.0, zorder=5)
    shown = name if len(name) <= 16 else name[:15] + "…"
    turned: dict[str, Any] = {"rotation": 30, "ha": "left", "rotation_mode": "anchor"} if slanted else {"ha": "center"}
    ax.annotate(
        shown, (place, 1), (-6 if slanted else 0, 18), textcoords="offset points", va="bottom", weight="bold",
        zorder=6, **turned,
    )  # fmt: skip
    for height, text in marks:
        ends = {0.0: ("center", "top", 0, -4), 1.0: ("center", "bottom", 0, 4)}
        ha, va, dx, dy = ends.get(height, ("left", "center", 4, 0))
        ax.annotate(
            text, (place, height), (dx, dy), textcoords="offset points", ha=ha, va=va, fontsize=8.5, zorder=6,
            bbox={"fc": PAPER, "ec": "none", "alpha": 0.75, "pad": 0.6},
        )  # fmt: skip


def _marks(domain: Any) -> list[tuple[float, str]]:
    if isinstance(domain, ListedDomain):
        count = len(domain.values)
        heights = [0.5] if count == 1 else [place / (count - 1) for place in range(count)]
        return [
            (height, short_text(value)) for height, value in zip(heights, domain.values, strict=True) if count <= 8
        ] or [(0.0, short_text(domain.values[0])), (1.0, short_text(domain.values[-1]))]
    low, high = domain.span
    return [(0.0, short_text(low)), (1.0, short_text(high))]


def _unit(domain: Any, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if isinstance(domain, ListedDomain):
        last = len(domain.values) - 1
        return places / last if last else places + 0.5
    low, high = domain.span
    if is_log(domain):
        places, low, high = np.log(places), float(np.log(low)), float(np.log(high))
    units: npt.NDArray[np.float64] = np.clip((places - low) / (high - low), 0, 1)
    return units
