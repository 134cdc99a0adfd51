"""Pictures of an explanation: importances, the objective along a hyperparameter, early against final values."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pipeline.results.analysis.importance import MIN_SHARE
from pipeline.results.analysis.parameters import axis_positions
from pipeline.results.plots.axes import parameter_axis, spaced_ticks
from pipeline.results.plots.style import ACCENT, INK, MUTED, SECOND, plain_numbers, remove_frame
from pipeline.results.tables.load import Results
from pipeline.space import ListedDomain, ParameterPath
from pipeline.text import percent

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.results.analysis.importance import Effect, Importance


_MAX_BARS = 12


def importance_bars(importance: "Importance", ax: Axes) -> Axes:
    """Draw what each hyperparameter, and each pair beyond that, accounts for, with 90% intervals."""
    remove_frame(ax, keep=("left",))
    shown = bars(importance)
    rows = np.arange(len(shown), 0, -1)
    shares, low, high = (np.array([bar[place] for bar in shown]) for place in (1, 2, 3))
    ax.barh(rows, shares, height=0.62, color=[bar[4] for bar in shown], lw=0)
    # A thin line, drawn over its bar: caps at 0 would look like separate bars.
    ax.hlines(rows, low, high, colors=INK, linewidths=1.1)
    for row, share, end in zip(rows, shares, np.maximum(shares, high), strict=True):
        text = "<1%" if 0 < share < MIN_SHARE else percent(share)
        ax.annotate(text, (end, row), (6, 0), textcoords="offset points", va="center", fontsize=9)
    names = [name if len(name) <= 24 else name[:23] + "…" for name, *_ in shown]
    ax.set_yticks(rows, names)
    ax.tick_params(axis="y", length=0)
    # Room for the number behind the longest line.
    ax.set_xlim(0, max(float(high.max()), float(shares.max()), MIN_SHARE) * 1.15)
    ax.set_ylim(0.4, len(shown) + 0.6)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("share of the objective's variance")
    return ax


def bars(importance: "Importance") -> list[tuple[str, float, float, float, str]]:
    """The bars of `importance_bars`, the largest first: names, shares, the ends of their intervals, and colours.

    Every hyperparameter has one, and a pair whose share can be seen.
    """
    found = [(effect.parameter.name, effect.share, effect.low, effect.high, ACCENT) for effect in importance.effects]
    pairs = [pair for pair in importance.pairs if pair.share >= MIN_SHARE]
    found += [(" × ".join(pair.names), pair.share, pair.low, pair.high, SECOND) for pair in pairs]
    return sorted(found, key=lambda bar: -bar[1])[:_MAX_BARS]


def partial_dependence(results: Results, effect: "Effect", ax: Axes) -> Axes:
    """Draw the objective along a hyperparameter, the others averaged out, with a 90% band."""
    return _along(results, effect.parameter, effect.values, (effect.means, effect.means_low, effect.means_high), ax)


def _along(
    results: Results,
    parameter: ParameterPath,
    values: Sequence[Any],
    band: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]],
    ax: Axes,
) -> Axes:
    """Draw a middle, a lower and an upper end along a hyperparameter: a line, or points for listed values."""
    domain, (middle, low, high) = parameter.domain, band
    places = axis_positions(domain, values)
    parameter_axis(ax, domain, places)
    if isinstance(domain, ListedDomain):
        spans = [middle - low, high - middle]
        ax.errorbar(places, middle, yerr=spans, fmt="o", color=ACCENT, ms=6, elinewidth=1.4, capsize=4)
    else:
        # Several positions may be one value of a domain with steps.
        places, once = np.unique(places, return_index=True)
        ax.fill_between(places, low[once], high[once], color=MUTED, alpha=0.3, lw=0)
        ax.plot(places, middle[once], color=ACCENT, lw=2.2)
    ax.set_title(parameter.name, weight="bold", fontsize=9.5, color=INK)
    ax.set_ylabel(results.objective.metric)
    plain_numbers(ax.yaxis)
    return ax


def early_values(agreements: "pa.Table", ax: Axes) -> Axes:
    """Draw the rank correlation of values at each epoch with final ones, with 90% intervals."""
    epochs = agreements["epoch"].to_pylist()
    rho, low, high = (agreements[name].to_numpy() for name in ("correlation", "low", "high"))
    spans = [rho - low, high - rho]
    ax.axhline(0, color=MUTED, lw=1)
    ax.errorbar(epochs, rho, yerr=spans, color=ACCENT, lw=2, marker="o", ms=5, elinewidth=1.2, capsize=4)
    ax.set_xscale("log", base=2)
    shown = spaced_ticks(ax, epochs)
    ax.set_xticks(shown, labels=[str(epoch) for epoch in shown])
    ax.minorticks_off()
    ax.set_ylim(-1.05, 1.05)
    ax.set_xlabel("epoch")
    ax.set_ylabel("rank correlation with final values")
    return ax
