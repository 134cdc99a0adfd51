"""The hypervolume over epochs, drawn."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from pipeline.results import load_results
from pipeline.results.plots import hypervolume_over_epochs
from tests.unit.results.front_studies import recorded


def test_each_study_has_a_line_up_to_its_share(tmp_path: Path) -> None:
    """Each study has a line of its hypervolume's share by epoch, and several studies are named in a legend."""
    studies = {
        name: load_results(recorded(tmp_path / name, points=points).store.uri)
        for name, points in {"one": [(0.9, 1000), (0.5, 100)], "two": [(0.9, 100)]}.items()
    }
    ax = hypervolume_over_epochs(studies, Figure().add_subplot())
    steps = [line for line in ax.lines if len(line.get_xdata()) > 1]
    assert [len(line.get_xdata()) for line in steps] == [4, 2]
    assert steps[1].get_ydata()[-1] == pytest.approx(1.0)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]


def test_a_study_of_one_objective_has_no_line(asha_results) -> None:
    """The axes stay empty if a study has no hypervolume."""
    assert not hypervolume_over_epochs({"a": asha_results}, Figure().add_subplot()).lines
