"""Curves by epoch and by time."""

from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from pipeline.results import Results, load_results, plots
from pipeline.results.plots.style import ACCENT, MUTED
from pipeline.results.report.captions import of_learning_curves
from pipeline.study import Objective
from tests.unit.results.plots.drawing import drawn
from tests.unit.results.small_studies import by_epoch_study
from tests.unit.results.studies import Recording, tune_job, with_tables


def coloured(ax: Axes, colour: str) -> list[Any]:
    """Lines of that colour."""
    return [line for line in ax.get_lines() if line.get_color() == colour and line.get_linestyle() == "-"]


def test_learning_curves_put_the_best_trial_in_front(asha_results: Results) -> None:
    """The highlighted learning curve has the best trial's objective at each of its epochs."""
    ax = drawn(plots.learning_curves, asha_results)
    best = asha_results.epochs[asha_results.epochs["trial_id"] == asha_results.best.trial_id]
    line = next(line for line in coloured(ax, ACCENT) if len(line.get_xdata()) > 1)
    assert line.get_ydata() == pytest.approx(best["val_accuracy"])
    assert "training" in {text.get_text() for text in ax.texts}


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_label_of_the_best_value_does_not_cross_the_axes(mode: Literal["max", "min"], tmp_path: Path) -> None:
    """The label at the best value has room within the axes, even at the lowest or the highest point of all curves."""
    curves = [[1.2, 1.0, 0.8], [1.3, 1.1, 1.0]]
    ax = drawn(plots.learning_curves, by_epoch_study(tmp_path, curves, epochs=3, mode=mode))
    (label,) = [text for text in ax.texts if text.get_text().startswith("trial ")]
    box = label.get_window_extent()
    assert ax.bbox.y0 <= box.y0
    assert box.y1 <= ax.bbox.y1


def test_the_best_trial_may_lack_the_training_metric(asha_results: Results) -> None:
    """If other trials have the training metric and the best one does not, its curve is drawn without it."""
    assert asha_results.best is not None
    best = asha_results.epochs["trial_id"] == asha_results.best.trial_id
    epochs = asha_results.epochs.assign(accuracy=asha_results.epochs["accuracy"].mask(best))
    results = with_tables(asha_results, epochs=epochs)
    labels = {text.get_text() for text in drawn(plots.learning_curves, results).texts}
    assert "validation" in labels
    assert "training" not in labels
    assert "on the training split" not in of_learning_curves(results)


def test_best_so_far_never_falls_and_ends_at_the_best(asha_results: Results) -> None:
    """The line of the best so far never falls and ends at the study's best value."""
    steps = next(line for line in coloured(drawn(plots.best_so_far, asha_results), ACCENT))
    values = np.asarray(steps.get_ydata(), float)
    assert (np.diff(values) >= 0).all()
    assert values[-1] == asha_results.best.value


def test_best_so_far_of_a_loss_never_rises(domains_results: Results) -> None:
    """The line of the best so far never rises if less is better, and ends at the study's best value."""
    values = np.asarray(coloured(drawn(plots.best_so_far, domains_results), ACCENT)[0].get_ydata(), float)
    assert (np.diff(values) <= 0).all()
    assert values[-1] == domains_results.best.value


def test_the_line_of_the_best_does_not_depend_on_how_many_points_are_drawn(
    asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are too many points for vectors, hidden ones are left out, and the best line and the axes stay."""
    every = drawn(plots.best_so_far, asha_results)
    for name, value in {"_MANY_POINTS": 10, "_POINT": 30.0}.items():
        monkeypatch.setattr(import_module("pipeline.results.plots.learning_curves"), name, value)
    some = drawn(plots.best_so_far, asha_results)
    assert (some.get_xlim(), some.get_ylim()) == (every.get_xlim(), every.get_ylim())
    behind = [[line for line in ax.get_lines() if line.get_color() == MUTED] for ax in (every, some)]
    drawn_points = [len(np.asarray(line.get_xdata())) for (line,) in behind]
    assert 10 < drawn_points[1] < drawn_points[0]
    steps = [coloured(ax, ACCENT)[0].get_ydata() for ax in (every, some)]
    assert steps[0] == pytest.approx(steps[1])


def test_learning_rates_break_where_another_config_began(population: Results) -> None:
    """The line of a learning rate has a gap where an exploit changed the config."""
    behind = next(c for c in drawn(plots.learning_rates, population).collections if isinstance(c, LineCollection))
    assert len(behind.get_segments()) == 3


@pytest.mark.parametrize("plot", [plots.learning_curves, plots.best_so_far])
def test_a_best_value_of_zero_has_its_label_on_a_logarithmic_axis(plot: Any, tmp_path: Path) -> None:
    """A best value of 0, which a logarithmic axis does not have, is drawn and named at the lower end of the axis."""
    curves = [[10.0, 1.0, 1e-4], [5.0, 0.1, 0.0]]
    ax = drawn(plot, by_epoch_study(tmp_path, curves, epochs=3, mode="min"))
    assert ax.get_yscale() == "log"
    (label,) = [text for text in ax.texts if text.get_text() in ("trial 0001: 0", "0")]
    assert label.xy[1] == ax.get_ylim()[0]
    assert label.get_window_extent().y0 >= ax.bbox.y0


def test_a_metric_is_named_as_the_study_names_it(tmp_path: Path) -> None:
    """The line of the best trial has the metric's name, and not that of its column."""
    study = Recording(tmp_path, tune_job("named", objectives=[Objective("F1 score", "max")]), metrics=("f1_score",))
    for epoch in (1, 2):
        study.train("0000", epoch, {"lr": 0.1}, 0.1 * epoch, float(epoch))
    study.end(3.0)
    ax = drawn(plots.learning_curves, load_results(study.store.uri))
    assert "F1 score" in {text.get_text() for text in ax.texts}
