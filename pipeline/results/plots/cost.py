"""What the objective costs: curves over the optimiser's updates, and over the seconds of training."""

from typing import Any

from matplotlib.axes import Axes

from pipeline.results.analysis.parameters import format_value
from pipeline.results.analysis.queries import COSTS, costs
from pipeline.results.plots.style import ACCENT, INK, MUTED, PAPER, axis_limits, by_decade, plain_numbers
from pipeline.results.tables.load import Results, config_of

MAX_BATCHES = 12
"""The maximum number of lines that are named."""


def against_cost(results: Results, ax: Axes, cost: str) -> Axes:
    """Draw the objective of every trial over what it had cost, on a logarithmic axis; few trials are named."""
    rows = costs(results).to_pandas()
    best = results.best.trial_id if results.best else None
    named, shown = rows["trial_id"].nunique() <= MAX_BATCHES, rows.groupby("trial_id")
    sizes = {
        str(row["trial_id"]): config_of({str(name): value for name, value in row.items()}, results.space).get(
            "batch_size"
        )
        for row in results.trials.to_dict("records")
    }
    for trial, track in shown:
        mine = trial == best
        look: dict[str, Any] = {
            "color": ACCENT if mine else MUTED,
            "lw": 2.2 if mine else 1.0,
            "zorder": 5 if mine else 2,
        }
        ax.plot(track[cost], track["value"], **look)
        if named:
            ax.annotate(
                format_value(sizes[str(trial)]), (track[cost].iloc[-1], track["value"].iloc[-1]), (3, 0),
                textcoords="offset points", fontsize=8, va="center", color=ACCENT if mine else INK, zorder=6,
                bbox={"fc": PAPER, "ec": "none", "alpha": 0.6, "pad": 0.3},
            )  # fmt: skip
    positive = rows[cost][rows[cost] > 0]
    if len(positive):
        ax.set_xscale("log")
        by_decade(ax.xaxis, float(positive.min()), float(positive.max()) * 1.01)
    limits = axis_limits(rows["value"], results.objective.mode)
    if limits is not None:
        ax.set_ylim(limits)
    ax.set_xlabel(COSTS[cost])
    ax.set_ylabel(results.objective.metric)
    plain_numbers(ax.yaxis)
    return ax
