"""Axes of hyperparameters."""

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.results.plots.axes import parameter_axis
from pipeline.space import Choice


def test_names_on_a_narrow_axis_do_not_touch() -> None:
    """Names on an axis are turned only if they would overlap."""
    figure = Figure(figsize=(3, 2.5))
    canvas = FigureCanvasAgg(figure)
    for names, turned in ((("sgd", "adam"), False), (("categorical_crossentropy", "binary_crossentropy", "mse"), True)):
        figure.clear()
        ax = figure.add_subplot()
        parameter_axis(ax, Choice(names), np.array([0.0]))
        canvas.draw()
        assert [label.get_rotation() > 0 for label in ax.get_xticklabels()] == [turned] * len(names)
        places = [label.get_window_extent() for label in ax.get_xticklabels()] if not turned else []
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(places))
