"""What pictures show of a study."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from pipeline.results import Results, load_results, plots
from pipeline.results.analysis.importance import importances
from pipeline.results.analysis.parameters import scored, tuned
from pipeline.results.analysis.queries import exploits, rungs as rungs_of
from pipeline.results.palette import ACCENT, MAX_PARAMETERS
from pipeline.results.plots.style import parameter_axis, show_values
from pipeline.space import LogUniform, Uniform
from pipeline.study import Objective
from tests.drawing import drawn
from tests.small_studies import by_epoch_study
from tests.unit.results.front_studies import recorded


def coloured(ax: Axes, colour: str) -> list[Any]:
    """Lines of that colour with more than one point."""
    lines = [line for line in ax.get_lines() if line.get_color() == colour and line.get_linestyle() == "-"]
    return [line for line in lines if len(line.get_xdata()) > 1]


def test_learning_curves_put_the_best_trial_in_front(asha_results: Results) -> None:
    """The highlighted curve is the best trial's, of the objective or of the metric that is asked for."""
    best = asha_results.epochs[asha_results.epochs["trial_id"] == asha_results.best.trial_id]
    ax = drawn(plots.learning_curves, asha_results)
    assert coloured(ax, ACCENT)[0].get_ydata() == pytest.approx(best["val_accuracy"])
    assert "training" in {text.get_text() for text in ax.texts}
    ax = drawn(plots.learning_curves, asha_results, "loss")
    assert coloured(ax, ACCENT)[0].get_ydata() == pytest.approx(best["loss"])
    ax = drawn(plots.trial_curve, asha_results, asha_results.best.trial_id, "val_accuracy")
    assert coloured(ax, ACCENT)[0].get_ydata() == pytest.approx(best["val_accuracy"])


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_label_of_the_best_value_does_not_cross_the_axes(mode: Literal["max", "min"], tmp_path: Path) -> None:
    """The label at the best value has room within the axes, even at the lowest or the highest point of all curves."""
    curves = [[1.2, 1.0, 0.8], [1.3, 1.1, 1.0]]
    ax = drawn(plots.learning_curves, by_epoch_study(tmp_path, curves, epochs=3, mode=mode))
    (label,) = [text for text in ax.texts if text.get_text().startswith("trial ")]
    box = label.get_window_extent()
    assert ax.bbox.y0 <= box.y0
    assert box.y1 <= ax.bbox.y1


@pytest.mark.parametrize("plot", [plots.learning_curves, plots.best_so_far])
def test_a_best_value_of_zero_has_its_label_on_a_logarithmic_axis(plot: Any, tmp_path: Path) -> None:
    """A best value of 0, which a logarithmic axis does not have, is named at the lower end of the axis."""
    ax = drawn(plot, by_epoch_study(tmp_path, [[10.0, 1.0, 1e-4], [5.0, 0.1, 0.0]], epochs=3, mode="min"))
    assert ax.get_yscale() == "log"
    (label,) = [text for text in ax.texts if text.get_text() in ("trial 0001: 0", "0")]
    assert label.xy[1] == ax.get_ylim()[0]


@pytest.mark.parametrize("name", ["asha_results", "domains_results"])
def test_best_so_far_only_improves_and_ends_at_the_best(name: str, request: pytest.FixtureRequest) -> None:
    """The line of the best so far never gets worse and ends at the study's best value."""
    results = request.getfixturevalue(name)
    values = np.asarray(coloured(drawn(plots.best_so_far, results), ACCENT)[0].get_ydata(), float)
    assert (np.diff(values) * (1 if results.objective.mode == "max" else -1) >= 0).all()
    assert values[-1] == results.best.value


def test_a_parameter_is_drawn_on_the_axis_of_its_domain(asha_results: Results) -> None:
    """A logarithmic domain has a logarithmic axis with plain numbers, and a choice has the names of its values."""
    ax = drawn(plots.objective_against, asha_results, "lr")
    assert ax.get_xscale() == "log"
    assert {"0.001", "0.01", "0.1"} <= {label.get_text() for label in ax.get_xticklabels()}
    assert drawn(plots.objective_against, asha_results, "momentum").get_xscale() == "linear"
    labels = [label.get_text() for label in drawn(plots.objective_against, asha_results, "optimizer").get_xticklabels()]
    assert labels == ["sgd", "rmsprop", "adam"]


def test_parallel_coordinates_draw_one_line_a_trial(asha_results: Results, wide: Results) -> None:
    """Each trial that did not fail is a line over its parameters to its objective; of many parameters, over some."""
    for results, axes in ((asha_results, len(tuned(asha_results))), (wide, MAX_PARAMETERS)):
        ax = drawn(plots.parallel_coordinates, results)
        lines = [segment for group in ax.collections for segment in group.get_segments()]
        assert len(lines) == len(scored(results))
        assert {len(line) for line in lines} == {axes + 1}


def test_bars_are_shares_the_largest_above(known: Results) -> None:
    """Hyperparameters and visible pairs have bars in descending order, each with its share as a number."""
    importance = importances(known)[0]
    ax = drawn(plots.importance_bars, importance)
    shares = [bar.get_width() for bar in ax.patches]
    assert [label.get_text() for label in ax.get_yticklabels()][:2] == ["a", "c"]
    assert shares == sorted(shares, reverse=True)
    assert ax.texts[0].get_text() == f"{shares[0]:.0%}"
    tiny = [replace(effect, share=0.004, low=0.0, high=0.02) for effect in importance.effects]
    ax = drawn(plots.importance_bars, replace(importance, effects=tiny, pairs=[]))
    assert ax.get_xlim() == pytest.approx((0, 0.023))
    assert {text.get_text() for text in ax.texts} == {"<1%"}


def test_the_objective_along_a_number_is_a_line_and_along_a_choice_points(known: Results) -> None:
    """The forest's means are drawn as a line along a numeric parameter, and as points along a choice."""
    by_name = {effect.parameter.name: effect for effect in importances(known)[0].effects}
    ax = drawn(plots.partial_dependence, by_name["b"], "loss")
    assert ax.get_xscale() == "log"
    assert list(ax.get_lines()[0].get_ydata()) == pytest.approx(by_name["b"].means)
    ax = drawn(plots.partial_dependence, by_name["c"], "loss")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]


def test_rungs_say_how_many_trials_were_stopped(asha_results: Results) -> None:
    """Each rung has the number of trials that were stopped there, and each trial that trained a bar."""
    ax = drawn(plots.rungs, asha_results)
    assert {str(row["stopped"]) for row in rungs_of(asha_results).to_pylist()} <= {text.get_text() for text in ax.texts}
    bars = [segment for group in ax.collections for segment in group.get_segments()]
    assert sorted(bar[1][0] for bar in bars) == sorted(asha_results.trials["epochs"])


def test_lineage_draws_an_arrow_for_each_exploit(population: Results) -> None:
    """The lineage has an arrow for each exploit, in the highlight colour if it leads to the best model."""
    arrows = drawn(plots.lineage, population).findobj(FancyArrowPatch)
    assert len(arrows) == exploits(population).num_rows == 1
    assert matplotlib.colors.to_hex(arrows[0].get_edgecolor()) == ACCENT


@pytest.mark.parametrize(
    ("objective", "style", "corners"),
    [
        (Objective("parameters", "min"), "steps-post", [(10, 0.5), (50, 0.8), (1000, 0.9), (20_000, 0.95)]),
        (Objective("parameters", "max"), "steps-pre", [(20_000, 0.95)]),
        (Objective("parameters", "min", at_most=1000), "steps-post", [(10, 0.5), (50, 0.8), (1000, 0.9)]),
    ],
)
def test_the_line_bounds_what_was_reached(tmp_path: Path, objective: Objective, style: str, corners: Any) -> None:
    """The front is steps through its corners, without failed trials and those beyond a bound, over costs."""
    ax = drawn(plots.trade_off, load_results(recorded(tmp_path, objective).store.uri), "parameters")
    line = ax.get_lines()[-1]
    assert line.get_drawstyle() == style
    assert list(zip(*line.get_data(), strict=True)) == corners
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "parameters", "val_accuracy")


@pytest.mark.parametrize(
    ("values", "mode", "scale"),
    [
        ([1e3, 1e-6, 0.0, np.nan], "min", "log"),
        ([1.0, 0.01], "min", "linear"),
        ([1e3, 1e-6, -1.0], "min", "linear"),
        ([1e3, 1e-6], "max", "linear"),
        ([np.nan, 0.0], "min", "linear"),
        ([0.1, *np.linspace(0.9, 0.97, 30)], "max", "linear"),
    ],
)
def test_an_axis_shows_the_good_values(values: list[float], mode: str, scale: str) -> None:
    """The axis is logarithmic if less is better, none is negative, and values span three decades; else it leaves out
    what is far from good, and says so.
    """
    ax = Figure().add_subplot()
    show_values(ax, values, mode)
    assert ax.get_yscale() == scale
    if len(values) > 9:
        low, high = ax.get_ylim()
        assert 0.5 < low < 0.97 < high
        assert "of 31 below" in ax.texts[0].get_text()


@pytest.mark.parametrize(
    ("domain", "scale"), [(Uniform(0.0, 0.5), "linear"), (Uniform(1e-4, 1.0), "log"), (LogUniform(0.1, 0.2), "log")]
)
def test_an_axis_is_logarithmic_if_its_domain_or_its_bounds_are(domain: Any, scale: str) -> None:
    ax = Figure().add_subplot()
    parameter_axis(ax, domain, np.array([0.15]))
    assert ax.get_xscale() == scale
