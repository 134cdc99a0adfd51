"""Lineage and schedule as pictures."""

from typing import Any

import matplotlib
import pytest
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from pipeline.results import Results, plots
from pipeline.results.analysis.queries import exploits
from pipeline.results.plots.style import ACCENT
from tests.unit.results.plots.drawing import drawn


def coloured(ax: Axes, colour: str) -> list[Any]:
    """Lines of that colour."""
    return [line for line in ax.get_lines() if line.get_color() == colour and line.get_linestyle() == "-"]


def test_lineage_draws_an_arrow_for_each_exploit(population: Results) -> None:
    """The lineage has an arrow for each exploit, in the highlight colour if it leads to the best model."""
    arrows = drawn(plots.lineage, population).findobj(FancyArrowPatch)
    assert len(arrows) == exploits(population).num_rows == 1
    assert matplotlib.colors.to_hex(arrows[0].get_edgecolor()) == ACCENT


def test_the_schedule_is_the_ancestors_then_the_winners(population: Results) -> None:
    """The schedule of the best model has the donor's value up to the exploit and the explored value after it."""
    line = coloured(drawn(plots.schedule, population, "lr"), ACCENT)[0]
    assert list(line.get_xdata()) == [0, 1, 1, 2, 2, 3, 3, 4]
    assert list(line.get_ydata()) == pytest.approx([0.1] * 4 + [0.08] * 4)
