"""Limits, scales and the number of lines."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.results.plots.style import MAX_LINES, axis_limits, by_magnitude, some_lines, some_points


def test_of_thousands_of_lines_some_stand_for_all() -> None:
    """Of thousands of lines a limited number is drawn, with the first and the last, and few lines are all drawn."""
    assert list(some_lines(3)) == [0, 1, 2]
    many = some_lines(10_000)
    assert (len(set(many)), many[0], many[-1]) == (MAX_LINES, 0, 9999)
    assert list(some_lines(0)) == []


def test_points_that_others_hide_are_not_drawn() -> None:
    """Of points in one square of half their diameter the first is drawn, and points apart from others always are."""
    ax = Figure(figsize=(2, 2), dpi=144).add_subplot()
    ax.set_xscale("log")
    ax.set(xlim=(1, 1000), ylim=(0, 1))
    x, y = [10.0, 10.01, 10.0, 500.0, 1e6], [0.5, 0.5, 0.501, 0.5, 0.5]
    assert some_points(ax, x, y, size=4.0).tolist() == [0, 3, 4]
    assert some_points(ax, [], [], size=4.0).tolist() == []


def test_the_window_leaves_out_what_is_far_from_good() -> None:
    """The window of an axis leaves out a diverged trial and always contains the good end of the values."""
    good = np.linspace(0.9, 0.97, 30)
    low, high = axis_limits([0.1, *good], "max")
    assert 0.5 < low < high
    assert high > 0.97
    low, high = axis_limits([40.0, *good], "min")
    assert low < 0.9
    assert high < 2


def test_equal_values_have_no_window() -> None:
    """Equal values have no window for their axis, and values that are not finite are ignored."""
    assert axis_limits([0.5, 0.5, float("nan")], "max") is None
    assert axis_limits([float("inf")], "max") is None


@pytest.mark.parametrize(
    ("values", "mode", "scale"),
    [
        ([1e3, 1e-6, 0.0, math.nan], "min", "log"),
        ([1.0, 0.01], "min", "linear"),
        ([1e3, 1e-6, -1.0], "min", "linear"),
        ([1e3, 1e-6], "max", "linear"),
        ([math.nan, 0.0], "min", "linear"),
    ],
)
def test_values_that_fall_by_magnitudes_get_a_logarithmic_axis(values: list[float], mode: str, scale: str) -> None:
    """The axis of values is logarithmic if less is better, none is negative, and they span three decades."""
    ax = Figure().add_subplot()
    assert by_magnitude(ax, values, mode) is (scale == "log")
    assert ax.get_yscale() == scale
    if scale == "log":
        assert ax.get_ylim() == pytest.approx((1e-6 / 1e9**0.1, 2e3))
