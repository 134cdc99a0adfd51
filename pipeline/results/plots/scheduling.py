"""What the scheduler did: who was stopped where, who took over whose weights, and the schedule that came of it."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import MaxNLocator

from pipeline.results.leaderboard import ranked
from pipeline.results.load import Results
from pipeline.results.numbers import format_number
from pipeline.results.plots.curves import tracks
from pipeline.results.plots.space import config_places, parameter_axis
from pipeline.results.plots.style import ACCENT, BAD, GRID, INK, MUTED, PAPER, SECOND, bare

__all__ = ["Stretch", "ancestry", "exploits", "lineage", "rows_of_rungs", "rungs", "rungs_of", "schedule"]

_NAMED = 40
"""With more trials than these, rows carry no names."""
_MANY = 1000
"""With more trials than these, bars become a bitmap within the picture."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Epochs that one trial contributed to a model.

    Args:
        trial_id: The trial.
        after: The trial's own epoch before the first of them.
        until: The trial's own epoch that is the last of them.
        age: The model's age in epochs before the first of them.
    """

    trial_id: str
    after: int
    until: int
    age: int


def ancestry(results: Results) -> list[Stretch]:
    """Where the best model's weights came from, the oldest stretch first; empty where there is no best."""
    if results.best is None:
        return []
    exploited = exploits(results)
    trial, until = results.best.trial_id, results.best.epoch
    found: list[tuple[str, int, int]] = []
    while True:
        before = exploited[(exploited["trial_id"] == trial) & (exploited["epoch"] < until)]
        if before.empty:
            found.append((trial, 0, until))
            break
        last = before.iloc[-1]
        found.append((trial, int(last["epoch"]), until))
        trial, until = str(last["parent_trial"]), int(last["parent_epoch"])
    stretches, age = [], 0
    for trial, after, until in reversed(found):
        stretches.append(Stretch(trial, after, until, age))
        age += until - after
    return stretches


def exploits(results: Results) -> pd.DataFrame:
    """The decisions to take over another trial's weights; a trial's own that came later count over earlier ones."""
    decisions = results.decisions
    found = decisions[(decisions["kind"] == "exploit") & decisions["parent_epoch"].notna()]
    return found.drop_duplicates(["trial_id", "epoch"], keep="last").sort_values("epoch", kind="stable")


def rungs_of(results: Results) -> pd.DataFrame:
    """What happened at each rung.

    Returns:
        Columns rung, reached, stopped: how many trials were compared there, and how many of them stopped.
    """
    at_rungs = results.decisions[results.decisions["rung"].notna()]
    decided = at_rungs.drop_duplicates(["trial_id", "rung"], keep="last")
    rung = decided["rung"].astype(int)
    stopped = decided["kind"].eq("stop").groupby(rung).sum()
    # Where trials pause, each leaves a decision at the rungs at which its bracket compares; else those that go on leave
    # none, and whoever trained that far was compared there.
    pausing = at_rungs["kind"].eq("pause").any()
    epochs = results.trials["epochs"]
    reached = [int((rung == at).sum() if pausing else (epochs >= at).sum()) for at in stopped.index]
    return pd.DataFrame({"rung": stopped.index, "reached": reached, "stopped": stopped.to_numpy(int)})


def rungs(results: Results, ax: Axes) -> Axes:
    """Draw how far each trial came, and the rungs at which trials were compared.

    Args:
        results: A study's results.
        ax: Where to draw.

    Returns:
        The axes: one row a trial, the best above; those that trained to their end in colour.
    """
    bare(ax, keep=("bottom",))
    epochs = _epochs(results)
    states = dict(zip(results.trials["trial_id"], results.trials["state"], strict=True))
    rows = rows_of_rungs(results)
    order = list(rows)
    many = len(order) > _MANY
    width = float(np.clip(110 / max(len(order), 1), 0.7, 5))
    last = max([1, *epochs.values()])
    at = rungs_of(results)
    for rung, _, stopped in at.itertuples(index=False):
        ax.axvline(rung, color=GRID, lw=1.2, zorder=0)
        ax.annotate(
            f"{stopped}", (rung, 1), (0, 3), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", color=SECOND if stopped else MUTED, weight="bold",
        )  # fmt: skip
    if len(at):
        ax.annotate(
            "stopped", (0, 1), (-4, 3), xycoords="axes fraction", textcoords="offset points", ha="right", va="bottom",
            color=SECOND,
        )  # fmt: skip
    for kind, colour, marker, alpha in (
        ("stopped", MUTED, "|", 0.6),
        ("failed", BAD, "x", 0.8),
        ("", ACCENT, "o", 1.0),
    ):
        mine = [trial for trial in order if (states[trial] if states[trial] in ("stopped", "failed") else "") == kind]
        if not mine:
            continue  # a line without a point would still take room outside of the axes
        ends = np.array([[epochs[trial], rows[trial]] for trial in mine], np.float64)
        bars = [[(0, row), (end, row)] for end, row in ends]
        ax.add_collection(
            LineCollection(bars, colors=colour, linewidths=width, alpha=alpha, capstyle="butt", rasterized=many)
        )
        ax.plot(
            ends[:, 0], ends[:, 1], marker, color=colour, ms=min(width + 3, 6), mew=1.5, zorder=4, clip_on=False,
            rasterized=many,
        )  # fmt: skip
    if len(order) <= _NAMED:
        ax.set_yticks(list(rows.values()), list(rows), fontsize=min(9, 300 / max(len(order), 1)))
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(order)} trials, the best above")
    if last > 12 and len(at):
        # Rungs grow by a factor: on a logarithmic axis they lie side by side, and bars still begin at 0.
        ax.set_xscale("function", functions=(np.log1p, np.expm1))
        ax.set_xticks(sorted({0, last, *at["rung"][at["rung"] < 0.8 * last]}))
        ax.set_xlim(0, last * 1.08)
    else:
        ax.set_xlim(0, last * 1.04)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_ylim(-0.8, max(len(order), 1) - 0.2)
    ax.set_xlabel("epochs")
    return ax


def rows_of_rungs(results: Results) -> dict[str, int]:
    """At which height `rungs` draws each trial, the best first; among many, those without an epoch are left out."""
    epochs = _epochs(results)
    order = [trial for trial in ranked(results) if epochs[trial] > 0 or len(epochs) <= _NAMED]
    return {trial: len(order) - 1 - place for place, trial in enumerate(order)}


def lineage(results: Results, ax: Axes) -> Axes:
    """Draw the population over its epochs: who took over whose weights, and where the best model came from.

    Args:
        results: A study's results.
        ax: Where to draw.

    Returns:
        The axes: one row a trial, the best above; arrows lead from donor to receiver.
    """
    bare(ax, keep=("bottom",))
    order = ranked(results)
    rows = {trial: len(order) - 1 - place for place, trial in enumerate(order)}
    epochs = _epochs(results)
    bars = [[(0, rows[trial]), (epochs[trial], rows[trial])] for trial in order]
    ax.add_collection(LineCollection(bars, colors=MUTED, linewidths=1.6, alpha=0.55))
    stretches = ancestry(results)
    on_path = {(old.trial_id, old.until, new.trial_id, new.after) for old, new in pairwise(stretches)}
    found = exploits(results)
    donors, receivers = found["parent_trial"].astype(str), found["trial_id"].astype(str)
    starts, ends = found["parent_epoch"].astype(int), found["epoch"].astype(int)
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
    for stretch in stretches:
        height = rows[stretch.trial_id]
        ax.plot([stretch.after, stretch.until], [height, height], color=ACCENT, lw=3.4, zorder=4)
    if results.best is not None:
        height = rows[results.best.trial_id]
        ax.plot(results.best.epoch, height, "o", color=ACCENT, ms=7, mec=PAPER, zorder=6)
        ax.annotate(
            format_number(results.best.value), (results.best.epoch, height), (0, 7), textcoords="offset points",
            ha="right", va="bottom", color=ACCENT, weight="bold",
        )  # fmt: skip
    if len(order) <= _NAMED:
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
    """Draw a hyperparameter over the best model's life, as its ancestors and it had it.

    Args:
        results: A study's results.
        ax: Where to draw.
        parameter: A tuned parameter's name.

    Returns:
        The axes: the best model's schedule in colour, the other trials' behind it.
    """
    domain = results.space[parameter]
    rows = results.epochs[["trial_id", "segment", "epoch", "model_epoch"]].assign(
        value=config_places(results, results.epochs, parameter)
    )
    steps = [
        np.repeat(part, 2, axis=0) - [[1, 0], [0, 0]] * len(part)
        for part in tracks(rows, ["epoch", "value"], by=["trial_id", "segment"])
    ]
    ax.add_collection(LineCollection(steps, colors=MUTED, linewidths=0.9, alpha=0.5))
    parameter_axis(ax, domain, rows["value"].dropna().to_numpy(), axis="y")
    life: list[tuple[float, float]] = []
    for stretch in ancestry(results):
        mine = rows[rows["trial_id"].eq(stretch.trial_id) & rows["epoch"].between(stretch.after + 1, stretch.until)]
        for epoch, value in zip(mine["epoch"], mine["value"], strict=True):
            age = stretch.age + epoch - stretch.after
            life += [(age - 1, value), (age, value)]
    if life:
        ax.plot(*zip(*life, strict=True), color=ACCENT, lw=2.4, zorder=4)
    ax.set_title(parameter, weight="bold", fontsize=9.5, color=INK)
    ax.set_xlim(0, max([1, *results.epochs["epoch"]]) * 1.02)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.set_xlabel("age of the model in epochs")
    return ax


def _epochs(results: Results) -> dict[str, int]:
    trials = results.trials
    return {str(trial): int(epochs) for trial, epochs in zip(trials["trial_id"], trials["epochs"], strict=True)}
