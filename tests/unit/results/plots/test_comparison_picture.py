"""The best value of several studies, drawn."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.results.plots.comparison_picture import Measure, best_against, comparison_picture, look_of
from tests.unit.results.small_studies import one_epoch_study


@pytest.mark.parametrize("by", ["trials", "epochs"])
def test_trials_and_epochs_have_whole_numbers_on_their_axis(tmp_path: Path, by: Measure) -> None:
    """Axes of trials and epochs have integer ticks."""
    ax = Figure(figsize=(10, 4)).subplots()
    best_against({"a": one_epoch_study(tmp_path, "a", np.linspace(0.5, 0.6, 9).tolist())}, ax, by)
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_each_study_has_a_line_that_ends_at_its_best(tmp_path: Path) -> None:
    """Each study with a value has a line of its own colour that ends at its best value, and long names are cut."""
    long = f"{'x' * 40}-end"
    studies = {
        long: one_epoch_study(tmp_path, "a", [0.2, 0.1, 0.5]),
        "b": one_epoch_study(tmp_path, "b", [0.3, 0.4]),
        "none": one_epoch_study(tmp_path, "none", []),
    }
    ax = Figure(figsize=(10, 4)).subplots()
    best_against(studies, ax, "epochs")
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) > 1]
    assert [list(line.get_ydata()) for line in lines] == [[0.2, 0.2, 0.5], [0.3, 0.4]]
    assert lines[0].get_color() != lines[1].get_color()
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [f"…{long[-31:]}", "b"]


def test_many_studies_are_distinguished_by_dashes() -> None:
    """Up to 24 studies in a picture have distinct combinations of colour and dashes, which then repeat."""
    looks = [look_of(place) for place in range(25)]
    assert len({(look["color"], str(look["ls"])) for look in looks[:24]}) == 24
    assert looks[24] == looks[0]


@pytest.mark.parametrize(("form", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_comparison_is_one_file(tmp_path: Path, form: Any, head: bytes) -> None:
    """A comparison is written as one file of the requested format."""
    assert comparison_picture({"a": one_epoch_study(tmp_path, "a", [0.2, 0.1])}, form).startswith(head)


def test_a_script_that_the_font_lacks_is_no_warning(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """A metric in a script that matplotlib's font lacks is drawn without a warning on the terminal."""
    study = one_epoch_study(tmp_path, "a", [0.5], metric="acc")
    renamed = replace(
        study, study={**study.study, "job": {**study.job, "objectives": [{"metric": "准确率", "mode": "max"}]}}
    )
    comparison_picture({"a": renamed, "b": renamed}, "png")
    assert not [str(one.message) for one in recwarn if "Glyph" in str(one.message)]
