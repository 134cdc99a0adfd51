"""Two objectives against each other as a picture."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.results import load_results, plots
from pipeline.study import Objective
from tests.unit.results.front_studies import recorded
from tests.unit.results.plots.drawing import drawn


@pytest.mark.parametrize(
    ("mode", "style", "corners"),
    [
        ("min", "steps-post", [(10, 0.5), (50, 0.8), (1000, 0.9), (20_000, 0.95)]),
        ("max", "steps-pre", [(20_000, 0.95)]),
    ],
)
def test_the_line_bounds_what_was_reached(tmp_path: Path, mode: str, style: str, corners: Any) -> None:
    """The front is drawn as steps through its corners, without failed trials, on a logarithmic axis of costs."""
    results = load_results(recorded(tmp_path, Objective("parameters", mode)).store.uri)
    ax = drawn(plots.trade_off, results, "parameters")
    line = ax.get_lines()[-1]
    assert line.get_drawstyle() == style
    assert list(zip(*line.get_data(), strict=True)) == corners
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "parameters", "val_accuracy")


def test_costs_of_similar_size_have_a_linear_axis(tmp_path: Path) -> None:
    """Costs of similar size, and a single trial, are drawn on a linear axis."""
    results = load_results(recorded(tmp_path, points=[(0.5, 7)]).store.uri)
    assert drawn(plots.trade_off, results, "parameters").get_xscale() == "linear"


def test_the_line_is_that_of_trials_within_the_bounds(tmp_path: Path) -> None:
    """The front's line does not lead to a trial that is beyond a bound."""
    results = load_results(recorded(tmp_path, Objective("parameters", "min", at_most=1000)).store.uri)
    line = drawn(plots.trade_off, results, "parameters").get_lines()[-1]
    assert list(zip(*line.get_data(), strict=True)) == [(10, 0.5), (50, 0.8), (1000, 0.9)]
