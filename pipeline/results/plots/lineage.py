"""A population as a picture: which trial copied whose weights, and a hyperparameter over the best model's life."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.parameters import config_positions
from pipeline.results.analysis.queries import ancestry, exploits
from pipeline.results.plots.axes import parameter_axis
from pipeline.results.plots.learning_curves import tracks
from pipeline.results.plots.rungs import MAX_NAMED, epochs_by_trial
from pipeline.results.plots.style import ACCENT, INK, MUTED, PAPER, SECOND, remove_frame
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import ranked
from pipeline.text import format_number


def lineage(results: Results, ax: Axes) -> Axes:
    """Draw the population over its epochs: which trial copied whose weights, and where the best model came from."""
    remove_frame(ax, keep=("bottom",))
    order = ranked(results)
    rows = {trial: len(order) - 1 - place for place, trial in enumerate(order)}
    epochs = epochs_by_trial(results)
    bars = [[(0, rows[trial]), (epochs[trial], rows[trial])] for trial in order]
    ax.add_collection(LineCollection(bars, colors=MUTED, linewidths=1.6, alpha=0.55), autolim=False)
    segments = ancestry(results)
    on_path = {(old["trial_id"], old["until"], new["trial_id"], new["after"]) for old, new in pairwise(segments)}
    keys = ("parent_trial", "parent_epoch", "trial_id", "epoch")
    donors, starts, receivers, ends = (exploits(results)[name].to_pylist() for name in keys)
    for donor, start, receiver, end in zip(donors, starts, receivers, ends, strict=True):
        best = (donor, start, receiver, end) in on_path
        # Not as a patch, which would be measured for limits that are set below.
        ax.add_artist(
            FancyArrowPatch(
                (start, rows[donor]), (end, rows[receiver]), arrowstyle="-|>", mutation_scale=11 if best else 8,
                connectionstyle="arc3,rad=0.18", shrinkA=2, shrinkB=3, color=ACCENT if best else SECOND,
                lw=2.2 if best else 1.0, alpha=1 if best else 0.65, zorder=5 if best else 3,
            )
        )  # fmt: skip
    ax.plot(ends, [rows[receiver] for receiver in receivers], "|", color=SECOND, ms=8, mew=1.2, zorder=4)
    for segment in segments:
        height = rows[segment["trial_id"]]
        ax.plot([segment["after"], segment["until"]], [height, height], color=ACCENT, lw=3.4, zorder=4)
    if results.best is not None:
        height = rows[results.best.trial_id]
        ax.plot(results.best.epoch, height, "o", color=ACCENT, ms=7, mec=PAPER, zorder=6)
        ax.annotate(
            format_number(results.best.value), (results.best.epoch, height), (0, 7), textcoords="offset points",
            ha="right", va="bottom", color=ACCENT, weight="bold",
        )  # fmt: skip
    if len(order) <= MAX_NAMED:
        ax.set_yticks(list(rows.values()), list(rows))
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(order)} trials, the best above")
    ax.set_xlim(0, max([1, *epochs.values()]) * 1.03)
    ax.set_ylim(-0.7, max(len(order), 1) - 0.3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch of each trial")
    return ax


def schedule(results: Results, ax: Axes, parameter: str) -> Axes:
    """Draw a hyperparameter over the best model's life, as its ancestors and it had it."""
    domain = results.space[parameter]
    rows = results.epochs[["trial_id", "segment", "epoch", "model_epoch"]].assign(
        value=config_positions(results, results.table("epochs"), parameter)
    )
    steps = [
        np.repeat(part, 2, axis=0) - [[1, 0], [0, 0]] * len(part)
        for part in tracks(rows, ["epoch", "value"], by=["trial_id", "segment"])
    ]
    ax.add_collection(LineCollection(steps, colors=MUTED, linewidths=0.9, alpha=0.5), autolim=False)
    parameter_axis(ax, domain, rows["value"].dropna().to_numpy(), axis="y")
    life: list[tuple[float, float]] = []
    for segment in ancestry(results):
        mine = rows[
            rows["trial_id"].eq(segment["trial_id"]) & rows["epoch"].between(segment["after"] + 1, segment["until"])
        ]
        for epoch, value in zip(mine["epoch"], mine["value"], strict=True):
            age = segment["age"] + epoch - segment["after"]
            life += [(age - 1, value), (age, value)]
    if life:
        ax.plot(*zip(*life, strict=True), color=ACCENT, lw=2.4, zorder=4)
    ax.set_title(parameter, weight="bold", fontsize=9.5, color=INK)
    ax.set_xlim(0, max([1, *results.epochs["epoch"]]) * 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.set_xlabel("age of the model in epochs")
    return ax
