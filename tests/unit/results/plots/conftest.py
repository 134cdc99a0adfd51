"""Drawing as a file would."""

from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.results import plots


@pytest.fixture
def drawn() -> Callable[..., Axes]:
    """Gives the axes after a plot has drawn everything."""

    def draw(plot: Any, *arguments: Any) -> Axes:
        with plots.style():
            figure = Figure(figsize=(6, 4))
            canvas = FigureCanvasAgg(figure)
            ax = figure.add_subplot()
            results, *more = arguments
            assert plot(results, ax, *more) is ax
            canvas.draw()
        return ax

    return draw
