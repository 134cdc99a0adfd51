"""How the objective depends on the hyperparameters."""

import itertools
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from pipeline.results.load import Results, configs_of
from pipeline.results.numbers import format_value
from pipeline.results.plots.style import (
    ACCENT,
    BAD,
    INK,
    MUTED,
    PAPER,
    bare,
    by_decade,
    is_listed,
    is_log,
    plainly,
    some_lines,
    window,
)

__all__ = [
    "config_places",
    "domain_places",
    "objective_against",
    "parallel_coordinates",
    "parameter_axis",
    "scored",
    "tuned",
]


_SCORED: "WeakKeyDictionary[Results, pd.DataFrame]" = WeakKeyDictionary()
"""Every picture asks for it, and of ten thousand trials it takes a while."""


_LETTER = 5.2
"""Points that a letter of a tick's label takes."""


def tuned(results: Results) -> list[str]:
    """The parameters that are drawn: constants aside."""
    return [name for name, domain in results.space.items() if hasattr(domain, "draw")]


def scored(results: Results) -> pd.DataFrame:
    """Trials with a finite objective that did not fail: one row each, with the config in force at its best epoch.

    Returns:
        Columns trial_id, objective, state, and one for each tuned parameter; in the order of `results.trials`. It is
        the same frame each time, and not to be changed.
    """
    if results not in _SCORED:
        _SCORED[results] = _scored(results)
    return _SCORED[results]


def _scored(results: Results) -> pd.DataFrame:
    trials = results.trials[["trial_id", "objective", "state", "best_epoch"]]
    trials = trials[np.isfinite(trials["objective"].to_numpy(np.float64)) & (trials["state"] != "failed")]
    trials = trials.astype({"best_epoch": "int64"}).rename(columns={"best_epoch": "epoch"})
    columns = [name for name in results.epochs.columns if name.startswith("config_")]
    found = trials.merge(results.epochs[["trial_id", "epoch", *columns]], on=["trial_id", "epoch"], how="left")
    configs = configs_of(found, results.space)
    known = {name: found[name].tolist() for name in ("trial_id", "objective", "state")}
    values = {name: [config.get(name, np.nan) for config in configs] for name in tuned(results)}
    return pd.DataFrame({**known, **values}, dtype=object).astype({"objective": float})


def objective_against(results: Results, ax: Axes, parameter: str) -> Axes:
    """Draw every trial's best value against one hyperparameter, on the axis its domain is drawn on.

    Args:
        results: A study's results.
        ax: Where to draw.
        parameter: A tuned parameter's name.

    Returns:
        The axes: filled points trained to their end, hollow ones were stopped early, crosses failed.
    """
    domain, rows = results.space[parameter], scored(results)
    rows = rows[rows[parameter].notna()]
    places = domain_places(domain, rows[parameter], spread=True)
    parameter_axis(ax, domain, places)
    ax.set_title(parameter, weight="bold", fontsize=9.5)
    ax.set_ylabel(results.objective.metric)
    limits = window(rows["objective"], results.objective.mode)
    if limits is not None:
        ax.set_ylim(limits)
    many = len(rows) > 1000
    early = (rows["state"] == "stopped").to_numpy()
    best = (rows["trial_id"] == (results.best.trial_id if results.best else None)).to_numpy()
    values = rows["objective"].to_numpy()
    look: dict[str, Any] = {
        "ls": "",
        "marker": "o",
        "ms": 5,
        "rasterized": many,
        "alpha": 0.9 if len(rows) < 60 else 0.6,
    }
    ax.plot(places[early & ~best], values[early & ~best], mec=MUTED, mfc=PAPER, mew=1.1, **look)
    ax.plot(places[~early & ~best], values[~early & ~best], mec=PAPER, mfc=MUTED, mew=0.4, **look)
    ax.plot(places[best], values[best], "o", color=ACCENT, ms=8, mec=PAPER, mew=1, zorder=5)
    failed = results.trials[results.trials["state"] == "failed"]
    settings = [config[parameter] for config in configs_of(failed, {parameter: domain}) if config]
    if settings:
        lost = domain_places(domain, pd.Series(settings, dtype=object))
        ax.plot(lost, np.full(len(lost), 0.03), "x", color=BAD, ms=6, mew=1.6, transform=ax.get_xaxis_transform())
    ax.yaxis.set_major_locator(MaxNLocator(5))
    plainly(ax.yaxis)
    return ax


def parallel_coordinates(results: Results, ax: Axes) -> Axes:
    """Draw every trial as a line through its hyperparameters to its objective.

    Args:
        results: A study's results.
        ax: Where to draw.

    Returns:
        The axes: the best quarter of the trials in colour, the best trial thick; the objective's good end is above.
        Dotted is a line where it passes parameters that the trial does not have.
    """
    bare(ax)
    names, rows = tuned(results), scored(results)
    domains = {name: results.space[name] for name in names}
    columns = [_unit(domains[name], domain_places(domains[name], rows[name])) for name in names]
    values = rows["objective"].to_numpy()
    worst, top = _ends(values, results.objective.mode)
    columns.append(np.clip((values - worst) / (top - worst), 0, 1) if top != worst else np.full(len(values), 0.5))
    heights = np.array(columns).T
    order = np.argsort(-values if results.objective.mode == "max" else values, kind="stable")
    front = order[: max(1, len(order) // 4)] if len(order) else order
    best = np.flatnonzero(rows["trial_id"] == (results.best.trial_id if results.best else None))
    for which, colour, width, alpha, layer in (
        (np.setdiff1d(order, front), MUTED, 0.9, 0.45, 2),
        (np.setdiff1d(front, best), ACCENT, 1.3, 0.5, 3),
        (best, ACCENT, 2.8, 1.0, 4),
    ):
        look: dict[str, Any] = {"colors": colour, "alpha": alpha, "zorder": layer, "rasterized": len(which) > 1500}
        which = which[some_lines(len(which))]
        lines = [np.column_stack([np.arange(len(line)), line]) for line in heights[which]]
        ax.add_collection(LineCollection(lines, linewidths=width, **look))
        gapped = [line for line in lines if not np.isfinite(line).all()]
        bridges = [bridge for line in gapped for bridge in _bridges(line)]
        ax.add_collection(LineCollection(bridges, linewidths=0.7 * width, linestyles="dotted", **look))
    titles = [*names, results.objective.metric]
    marks = [*(_marks(domains[name]) for name in names), _objective_marks(worst, top)]
    slanted = max(min(len(title), 16) for title in titles) * 6.5 > _width(ax) / len(titles)
    for place, title in enumerate(titles):
        _upright(ax, place, title, marks[place], slanted=slanted)
    ax.set_xlim(-0.35, len(names) + (0.9 if slanted else 0.35))
    ax.set_ylim(-0.1, 1.12)
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def _bridges(line: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Stretches of a line over axes on which it has no place."""
    there = np.flatnonzero(np.isfinite(line[:, 1]))
    return [line[[start, end]] for start, end in itertools.pairwise(there) if end > start + 1]


def _ends(values: npt.NDArray[np.float64], mode: str) -> tuple[float, float]:
    """What the objective's axis shows at its lower and its upper end: the good end is above."""
    if not len(values):
        return 0.0, 0.0
    best, worst = (values.max(), values.min()) if mode == "max" else (values.min(), values.max())
    shown = window(values, mode)
    if shown is not None:
        worst = max(worst, shown[0]) if mode == "max" else min(worst, shown[1])
    return float(worst), float(best)


def _objective_marks(worst: float, best: float) -> list[tuple[float, str]]:
    return [(0.0, _short(worst)), (1.0, _short(best))] if worst != best else [(0.5, _short(best))]


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
    if is_listed(domain):
        count = len(domain.values)
        heights = [0.5] if count == 1 else [place / (count - 1) for place in range(count)]
        return [
            (height, _short(value)) for height, value in zip(heights, domain.values, strict=True) if count <= 8
        ] or [(0.0, _short(domain.values[0])), (1.0, _short(domain.values[-1]))]
    low, high = _bounds(domain)
    return [(0.0, _short(low)), (1.0, _short(high))]


def _bounds(domain: Any) -> tuple[float, float]:
    if hasattr(domain, "low"):
        return domain.low, domain.high
    return domain.mean - 3 * domain.std, domain.mean + 3 * domain.std


def domain_places(domain: Any, values: pd.Series, *, spread: bool = False) -> npt.NDArray[np.float64]:
    """Where values lie on their axis: numbers as they are, listed ones by their position.

    Args:
        domain: The domain they come from.
        values: Values as drawn; NaN where a trial has none.
        spread: Set trials with the same listed value side by side.
    """
    if not is_listed(domain):
        return values.to_numpy(np.float64)
    known = {(type(value), value): float(place) for place, value in enumerate(domain.values)}
    places = np.array([known.get((type(value), value), np.nan) for value in values], np.float64)
    if spread:
        for place in np.unique(places):
            mine = np.flatnonzero(places == place)
            # A fixed pattern rather than chance: the same study gives the same picture.
            places[mine] += 0.3 * (np.arange(len(mine)) * 0.618 % 1 - 0.5) if len(mine) > 1 else 0.0
    return places


def _unit(domain: Any, places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if is_listed(domain):
        last = len(domain.values) - 1
        return places / last if last else places + 0.5
    low, high = _bounds(domain)
    if is_log(domain):
        places, low, high = np.log(places), float(np.log(low)), float(np.log(high))
    return np.clip((places - low) / (high - low), 0, 1)


def config_places(results: Results, rows: pd.DataFrame, parameter: str) -> npt.NDArray[np.float64]:
    """Where a parameter's values in rows of `trials` or `epochs` lie on its axis; NaN where there is none."""
    column = f"config_{parameter}"
    values = configs_of(rows[[column]], {parameter: results.space[parameter]})
    known = np.array([bool(value) for value in values], bool)
    places = np.full(len(rows), np.nan)
    given = pd.Series([value[parameter] for value in values if value], dtype=object)
    places[known] = domain_places(results.space[parameter], given)
    return places


def parameter_axis(ax: Axes, domain: Any, places: npt.NDArray[np.float64], *, axis: Literal["x", "y"] = "x") -> None:
    """Set an axis up for a domain: its bounds, its scale, its values' names.

    Args:
        ax: The axes.
        domain: The parameter's domain.
        places: Where values lie: a domain without bounds is shown as far as they reach.
        axis: Which axis.
    """
    line, limits = (ax.xaxis, ax.set_xlim) if axis == "x" else (ax.yaxis, ax.set_ylim)
    if is_listed(domain):
        count = len(domain.values)
        shown = range(0, count, -(-count // 8))
        limits(-0.5, count - 0.5)
        names = [_short(domain.values[place]) for place in shown]
        turned: dict[str, Any] = {}
        if axis == "x" and max(map(len, names)) * _LETTER > _width(ax) / len(names):
            turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
        line.set_ticks(list(shown), labels=names, **turned)
        ax.grid(False, axis=axis)
        return
    low, high = _bounds(domain)
    if is_log(domain):
        (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
        edge = (high / low) ** 0.04
        limits(low / edge, high * edge)
        by_decade(line, low, high)
        return
    if len(places) and not hasattr(domain, "low"):
        low, high = min(low, float(places.min())), max(high, float(places.max()))
    limits(low - 0.04 * (high - low), high + 0.04 * (high - low))
    line.set_major_locator(MaxNLocator(5, integer=isinstance(low, int) and isinstance(high, int)))


def _width(ax: Axes) -> float:
    """Of the axes, in points."""
    figure = ax.get_figure(root=True)
    return float(ax.bbox.width * 72 / (figure.dpi if figure else 72))


def _short(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else format_value(value)
    return text if len(text) <= 14 else text[:13] + "…"
