"""Drawing as a file would."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.results import plots


def drawn(plot: Any, *arguments: Any) -> Axes:
    """The axes after a plot has drawn everything."""
    with plots.style():
        figure = Figure(figsize=(6, 4))
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        shown, *more = arguments
        assert plot(shown, ax, *more) is ax
        canvas.draw()
    return ax
