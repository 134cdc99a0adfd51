"""The hypervolume of studies with several objectives over their epochs."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.comparison import box_of, hypervolumes
from pipeline.results.plots.comparison_picture import look_of
from pipeline.results.plots.style import plain_numbers
from pipeline.results.tables.load import Results


def hypervolume_over_epochs(studies: Mapping[str, Results], ax: Axes) -> Axes:
    """Draw the share of the hypervolume that the trials of studies dominate against the epochs of all trials."""
    box = box_of(list(studies.values()))
    ax.set_xlabel("epochs of all trials")
    ax.set_ylabel("hypervolume, share of the box")
    if box is None:
        return ax
    for place, (name, results) in enumerate(studies.items()):
        curve, look = hypervolumes(results, box).to_pandas(), look_of(place)
        if curve.empty:
            continue
        label = name if len(name) <= 32 else "…" + name[-31:]
        ax.step(curve["epochs"], curve["share"], where="post", lw=2, label=label.lstrip("_"), **look)
        ax.plot(curve["epochs"].iloc[-1], curve["share"].iloc[-1], "o", color=look["color"], ms=5)
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    plain_numbers(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(studies) > 1:
        ax.legend(loc="lower right")
    return ax
