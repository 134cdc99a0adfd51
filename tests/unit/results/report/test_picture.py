"""A picture of a page."""

import re
from typing import Any

from matplotlib.axes import Axes

from pipeline.results import Results
from pipeline.results.report.picture import picture, without_results


def test_a_picture_is_drawn_for_a_wide_page_and_for_a_telephone(asha_results: Results) -> None:
    """Each as wide as its screen, with its own names and the same places of trials."""
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
    draw = without_results(lambda shown, ax: seen.append(shown) or ax, "found")
    draw(asha_results, None)  # type: ignore[arg-type]
    assert seen == ["found"]
