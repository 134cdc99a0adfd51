"""The best value of several studies against time, trials and epochs."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.queries import progress
from pipeline.results.plots.style import ACCENT, BAD, INK, MUTED, SECOND, THIRD, axis_limits, plain_numbers, style
from pipeline.results.tables.load import Results

_COLOURS = (ACCENT, SECOND, THIRD, BAD, INK, MUTED)
_DASHES: Sequence[object] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
Measure = Literal["seconds", "trials", "epochs"]

MEASURES: Sequence[Measure] = ("seconds", "trials", "epochs")
"""The horizontal axes of the best value so far."""

_LABELS = {"seconds": "seconds since the start", "trials": "trials begun", "epochs": "epochs of all trials"}


def look_of(place: int) -> dict[str, Any]:
    """How the line of one of several is drawn, as matplotlib takes it."""
    return {"color": _COLOURS[place % len(_COLOURS)], "ls": _DASHES[place // len(_COLOURS) % len(_DASHES)]}


def best_against(studies: Mapping[str, Results], ax: Axes, by: Measure) -> Axes:
    """Draw the best value so far of several studies of one objective."""
    objective = next(iter(studies.values())).objective
    shown: list[float] = []
    for place, (name, results) in enumerate(studies.items()):
        best_curve = progress(results).to_pandas().dropna(subset="best")
        if best_curve.empty:
            continue
        look = look_of(place)
        label = name if len(name) <= 32 else "…" + name[-31:]
        ax.step(best_curve[by], best_curve["best"], where="post", lw=2, label=label.lstrip("_"), **look)
        ax.plot(best_curve[by].iloc[-1], best_curve["best"].iloc[-1], "o", color=look["color"], ms=5)
        shown += best_curve["best"].tolist()
    limits = axis_limits(np.array(shown), objective.mode)
    if limits is not None:
        ax.set_ylim(limits)
    ax.set_xlabel(_LABELS[by])
    ax.set_ylabel(f"best {objective.metric} so far")
    plain_numbers(ax.yaxis)
    if by != "seconds":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if shown:
        ax.legend(frameon=False, loc="lower right" if objective.mode == "max" else "upper right")
    return ax


def comparison_picture(studies: Mapping[str, Results], form: Literal["png", "svg", "pdf"]) -> bytes:
    """Draw the best value so far against seconds, trials and epochs, side by side, as one file."""
    with style():
        figure = Figure(figsize=(15, 4.2), dpi=120)
        FigureCanvasAgg(figure)
        for by, ax in zip(MEASURES, figure.subplots(1, 3), strict=True):
            best_against(studies, ax, by)
        file = io.BytesIO()
        figure.savefig(file, format=form)
    return file.getvalue()
