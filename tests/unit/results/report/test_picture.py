"""A picture of a page."""

import math
import re
from typing import Any

import pytest
from matplotlib.axes import Axes

from pipeline.results import Results
from pipeline.results.report.picture import as_results_plot, beyond_in_words, columns, panel, picture


def test_a_picture_is_drawn_for_a_wide_page_and_for_a_telephone(asha_results: Results) -> None:
    """A picture has a wide and a narrow version with the same trials and with different ids."""
    drawn: list[Results] = []

    def draw(results: Results, ax: Axes) -> Axes:
        drawn.append(results)
        ax.plot([0, 1], [0, 1])
        return ax

    found = picture(asha_results, "curves", draw, "It rises.", 420, 300, "Line chart.", [("0001", 0.5, 0.5)])
    assert (found.alt, found.caption) == ("Line chart.", "It rises.")
    assert drawn == [asha_results, asha_results]
    assert found.narrow is not None
    assert re.findall(r"max-width: (\d+)px", found.svg + found.narrow) == ["1040", "350"]
    assert "0001" in found.svg
    assert "0001" in found.narrow
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (found.svg, found.narrow)]
    assert ids[0].isdisjoint(ids[1])


def test_a_finding_can_be_drawn(asha_results: Results) -> None:
    """A picture is drawn from a finding as well as from results."""
    seen: list[Any] = []
    draw = as_results_plot(lambda shown, ax: seen.append(shown) or ax, "found")
    draw(asha_results, None)  # type: ignore[arg-type]
    assert seen == ["found"]


@pytest.mark.parametrize(
    ("limits", "reported"),
    [
        ((0.0, 10.0), ""),
        ((1.5, 10.0), " The axis starts at 1.5 (1 of 4 values is below)."),
        ((0.0, 2.5), " The axis ends at 2.5 (2 of 4 values are above)."),
        (
            (1.5, 2.5),
            " The axis starts at 1.5 (1 of 4 values is below) and ends at 2.5 (2 of 4 values are above).",
        ),
    ],
)
def test_values_beyond_an_axis_are_counted(limits: tuple[float, float], reported: str) -> None:
    """A sentence has the ends of an axis and the number of finite values beyond them."""
    assert beyond_in_words([1.0, 2.0, 3.0, 4.0, math.nan], limits) == reported


def test_a_picture_whose_axis_is_cut_says_so_in_caption_and_alternative_text(asha_results: Results) -> None:
    """The caption and the alternative text of a picture or a panel report that its axis is cut."""

    def draw(ax: Axes) -> Axes:
        ax.plot([0, 1], [0.2, 1])
        ax.set_ylim(0.5, 1.1)
        return ax

    wide = picture(asha_results, "a", lambda _, ax: draw(ax), "It rises.", 420, 300, "Chart.", values=[0.2, 1])
    small = panel("b", draw, "It rises.", 220, "Chart.", values=[0.2, 1], count=5)
    cut = "The axis starts at 0.5 (1 of 2 values is below)."
    assert {(one.caption, one.alt) for one in (wide, small)} == {(f"It rises. {cut}", f"Chart. {cut}")}
    assert panel("c", draw, "It rises.", 220, "Chart.", count=5).caption == "It rises."


def test_few_panels_are_larger() -> None:
    """Panels in rows of one or two are wider than in rows of three, and have a narrow version for a telephone."""

    def draw(ax: Axes) -> Axes:
        return ax

    assert [columns(count) for count in (1, 2, 3, 4, 5, 7)] == [1, 2, 3, 2, 3, 3]
    found = {count: panel(f"p{count}", draw, "It.", 220, "Chart.", count=count) for count in (1, 2, 3)}
    widths = {count: re.findall(r"max-width: (\d+)px", one.svg)[0] for count, one in found.items()}
    assert widths == {1: "640", 2: "500", 3: "320"}
    assert [one.narrow is None for one in found.values()] == [False, False, True]
