"""Axes of hyperparameters."""

import itertools

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.results.plots.axes import parameter_axis, spaced_ticks
from pipeline.space import Choice, LogUniform, Uniform


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


def test_an_axis_is_logarithmic_if_its_domain_or_its_bounds_are() -> None:
    """A uniform parameter over more than two decades has a logarithmic axis, as on the live page."""
    figure = Figure()
    for domain, scale in (
        (Uniform(0.0, 0.5), "linear"),
        (Uniform(1e-4, 1.0), "log"),
        (LogUniform(0.1, 0.2), "log"),
    ):
        figure.clear()
        ax = figure.add_subplot()
        parameter_axis(ax, domain, np.array([0.15]))
        assert ax.get_xscale() == scale


def test_numbers_on_an_axis_do_not_touch() -> None:
    """A number on an axis is omitted if it is close to a lower number or to a requested end of the axis."""
    ax = Figure(figsize=(3, 2)).add_subplot()
    ax.set_xlim(0, 100)
    assert spaced_ticks(ax, [1, 2, 50, 98], ends=(0, 100)) == [0, 50, 100]
    assert spaced_ticks(ax, [1, 2, 50, 98]) == [1, 50, 98]
    assert spaced_ticks(ax, []) == []
