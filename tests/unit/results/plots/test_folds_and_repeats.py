"""Means and deviations of trials that are several models."""

from pipeline.results import Results, plots
from tests.unit.results.plots.drawing import drawn


def test_every_mean_is_shown_in_its_row(folded: Results) -> None:
    """Each row shows a mean and its deviation as text, with the best at the top, even if it is beyond the axis."""
    ax = drawn(plots.deviations, folded)
    reported = [text.get_text() for text in ax.texts]
    assert reported[0] == "0.92 ± 0.016"
    assert reported[-1].startswith("0.1 ± ")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["he", "lecun", "glorot", "zero"]
    assert ax.get_xlim()[0] > 0.8
