"""How the objective depends on the hyperparameters."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipeline.results.analysis.importance import MIN_SHARE, Importance
from pipeline.results.analysis.parameters import (
    OBJECTIVE,
    PLACE,
    STATE,
    TRIAL,
    axis_positions,
    best_quarter,
    is_log,
    scored,
    scored_with,
    tuned,
)
from pipeline.results.palette import ACCENT, BAD, INK, MAX_BARS, MAX_PARAMETERS, MAX_POINTS, MUTED, PAPER, SECOND
from pipeline.results.plots.style import (
    BITMAP,
    BOX,
    axis_limits,
    mark_axis,
    mark_trials,
    parameter_axis,
    remove_frame,
    short_text,
    show_values,
    some_of,
    width_of,
)
from pipeline.results.tables.load import Results, configs_of
from pipeline.space import ListedDomain
from pipeline.text import percent


def objective_against(results: Results, ax: Axes, parameter: str) -> Axes:
    """Draw each trial's best value against one hyperparameter, on the axis of its domain; of many trials some."""
    domain, rows = results.space[parameter], scored_with(results, parameter)
    places, values = axis_positions(domain, rows[parameter], spread=True), rows[OBJECTIVE]
    parameter_axis(ax, domain)
    ax.set_title(parameter, weight="bold", fontsize=9.5)
    ax.set_ylabel(results.objective.metric)
    ax.yaxis.set_major_locator(MaxNLocator(5))
    show_values(ax, values, results.objective.mode)
    if ax.get_yscale() == "log":
        values = np.maximum(values, ax.get_ylim()[0])
    early, best = rows[STATE] == "stopped", rows[TRIAL] == (results.best.trial_id if results.best else None)
    count = len(values)
    others = np.isin(np.arange(count), some_of(count, MAX_POINTS)) & ~best
    look: dict[str, Any] = {"rasterized": count > BITMAP, "alpha": 0.9 if count < 60 else 0.6, "ms": 5}
    large: dict[str, Any] = {"ms": 8, "zorder": 5}
    # Trials that were stopped early are hollow.
    for which, colour, how in ((others, MUTED, look), (best, ACCENT, large)):
        for some, face in ((early & which, PAPER), (~early & which, colour)):
            ax.plot(places[some], values[some], "o", mec=colour, mfc=face, mew=1.3, **how)
    failed = configs_of(results.query("select * from trials where state = 'failed'"), {parameter: domain})
    lost = axis_positions(domain, [config[parameter] for config in failed if config])
    # At the worse edge: they have no value.
    edge = 0.03 if results.objective.mode == "max" else 0.97
    ax.plot(lost, np.full(len(lost), edge), "x", color=BAD, ms=6, mew=1.6, transform=ax.get_xaxis_transform())
    mark_trials(ax, rows[TRIAL].tolist(), places, values)
    mark_axis(ax, "x", f"config_{parameter}", domain)
    mark_axis(ax, "y", "objective")
    return ax


def parallel_coordinates(results: Results, ax: Axes) -> Axes:
    """Draw every trial as a line through its hyperparameters (of many the most influential ones) to its objective."""
    remove_frame(ax)
    names, rows = tuned(results)[:MAX_PARAMETERS], scored(results)
    domains = {name: results.space[name] for name in names}
    columns = [_unit(domains[name], axis_positions(domains[name], rows[name])) for name in names]
    values = rows[OBJECTIVE]
    worst, top = _ends(values, results.objective.mode)
    columns.append(np.clip((values - worst) / (top - worst), 0, 1) if top != worst else np.full(len(values), 0.5))
    heights = np.array(columns).T
    front = np.flatnonzero(np.isin(rows[PLACE], best_quarter(rows)[PLACE]))
    best = np.flatnonzero(rows[TRIAL] == (results.best.trial_id if results.best else None))
    shown = some_of(len(values))
    for which, colour, width, alpha, layer in (
        (np.setdiff1d(shown, front), MUTED, 0.9, 0.45, 2),
        (np.setdiff1d(np.intersect1d(shown, front), best), ACCENT, 1.3, 0.5, 3),
        (best, ACCENT, 2.8, 1.0, 4),
    ):
        # A line passes the hyperparameters that its trial does not have.
        there = [(np.flatnonzero(known), row[known]) for row in heights[which] if (known := np.isfinite(row)).any()]
        lines = [np.column_stack(each) for each in there]
        look: dict[str, Any] = {"colors": colour, "alpha": alpha, "zorder": layer, "linewidths": width}
        ax.add_collection(LineCollection(lines, **look), autolim=False)
    for place, name in enumerate(names):
        mark_axis(ax, "y", f"config_{name}", domains[name], at=place)
    if worst != top:
        mark_axis(ax, "y", "objective", at=len(names), span=(worst, top))
    mark_trials(ax, rows[TRIAL].tolist(), np.full(len(values), len(names)), columns[-1])
    titles = [*names, results.objective.metric]
    ends = [(0.0, short_text(worst)), (1.0, short_text(top))] if worst != top else [(0.5, short_text(top))]
    marks = [*(_marks(domains[name]) for name in names), ends]
    slanted = max(min(len(title), 16) for title in titles) * 6.5 > width_of(ax) / len(titles)
    for place, title in enumerate(titles):
        _upright(ax, place, title, marks[place], slanted=slanted)
    ax.set_xlim(-0.35, len(names) + (0.9 if slanted else 0.35))
    ax.set_ylim(-0.1, 1.12)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def _ends(values: npt.NDArray[np.float64], mode: str) -> tuple[float, float]:
    """What the objective's axis shows at its lower and its upper end: better values are at the top."""
    if not len(values):
        return 0.0, 0.0
    best, worst = (values.max(), values.min()) if mode == "max" else (values.min(), values.max())
    shown = axis_limits(values, mode)
    if shown is not None:
        worst = max(worst, shown[0]) if mode == "max" else min(worst, shown[1])
    return float(worst), float(best)


def _upright(ax: Axes, place: int, name: str, marks: list[tuple[float, str]], *, slanted: bool) -> None:
    """One axis of parallel coordinates, with its name above and texts at some of its heights."""
    ax.plot([place, place], [0, 1], color=INK, lw=1.0, zorder=5)
    turned: dict[str, Any] = {"rotation": 30, "ha": "left", "rotation_mode": "anchor"} if slanted else {"ha": "center"}
    ax.annotate(
        short_text(name, 16), (place, 1), (-6 if slanted else 0, 18), textcoords="offset points", va="bottom",
        weight="bold", zorder=6, **turned,
    )  # fmt: skip
    ends = {0.0: ("center", "top", 0, -4), 1.0: ("center", "bottom", 0, 4)}
    for height, text in marks:
        ha, va, dx, dy = ends.get(height, ("left", "center", 4, 0))
        look: dict[str, Any] = {"ha": ha, "va": va, "fontsize": 8.5, "zorder": 6, "bbox": BOX}
        ax.annotate(text, (place, height), (dx, dy), textcoords="offset points", **look)


def _marks(domain: Any) -> list[tuple[float, str]]:
    values = domain.values if isinstance(domain, ListedDomain) else domain.bounds
    shown = values if len(values) <= 8 else (values[0], values[-1])
    return [(place / (len(shown) - 1) if len(shown) > 1 else 0.5, short_text(one)) for place, one in enumerate(shown)]


def _unit(domain: Any, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if isinstance(domain, ListedDomain):
        last = len(domain.values) - 1
        return places / last if last else places + 0.5
    low, high = domain.bounds
    if is_log(domain):
        places, low, high = np.log(places), float(np.log(low)), float(np.log(high))
    units: npt.NDArray[np.float64] = np.clip((places - low) / (high - low), 0, 1)
    return units


def importance_bars(importance: Importance, ax: Axes) -> Axes:
    """Draw what each hyperparameter, and each pair beyond that, accounts for, with 90% intervals."""
    remove_frame(ax, keep="left")
    shown = sorted([*importance.effects, *importance.pairs], key=lambda one: -one.share)[:MAX_BARS]
    rows, shares = np.arange(len(shown), 0, -1), np.array([one.share for one in shown])
    low, high = np.array([one.low for one in shown]), np.array([one.high for one in shown])
    ax.barh(rows, shares, height=0.62, color=[SECOND if len(one.names) > 1 else ACCENT for one in shown], lw=0)
    # A thin line, drawn over its bar: caps at 0 would look like separate bars.
    ax.hlines(rows, low, high, colors=INK, linewidths=1.1)
    for row, share, end in zip(rows, shares, np.maximum(shares, high), strict=True):
        text = "<1%" if 0 < share < MIN_SHARE else percent(share)
        ax.annotate(text, (end, row), (6, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set_yticks(rows, [short_text(" × ".join(one.names), 24) for one in shown])
    ax.tick_params(axis="y", length=0)
    # Room for the number behind the longest line.
    ax.set_xlim(0, max(float(high.max()), float(shares.max()), MIN_SHARE) * 1.15)
    ax.set_ylim(0.4, len(shown) + 0.6)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("share of the objective's variance")
    return ax
