"""What pictures show of a study."""

import itertools
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from pipeline.results import Results, load_results, plots
from pipeline.results.analysis.importance import importances
from pipeline.results.analysis.parameters import scored, tuned
from pipeline.results.analysis.queries import COSTS, exploits, rungs as rungs_of
from pipeline.results.palette import ACCENT, DAY, MAX_LINES, MAX_PARAMETERS, NIGHT, VARIABLES
from pipeline.results.plots.style import axis_limits, by_magnitude, look_of, parameter_axis, show_range, some_of
from pipeline.space import Choice, LogUniform, Uniform
from pipeline.study import Objective
from tests.unit.results.front_studies import recorded
from tests.unit.results.plots.drawing import drawn
from tests.unit.results.small_studies import by_epoch_study, one_epoch_study, plane_study


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


def test_learning_rates_break_where_another_config_began(population: Results) -> None:
    """The line of a learning rate has a gap where an exploit changed the config."""
    behind = next(c for c in drawn(plots.learning_rates, population).collections if isinstance(c, LineCollection))
    assert len(behind.get_segments()) == 3


@pytest.mark.parametrize("cost", COSTS)
def test_a_line_for_each_trial_is_named_by_its_batch_size(batches: Results, cost: str) -> None:
    """Each trial's line ends at the trial's cost on a logarithmic axis and is labelled with its batch size."""
    ax = drawn(plots.against_cost, batches, cost)
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.texts] == ["8", "80"]
    assert [line.get_xdata()[-1] for line in ax.get_lines()] == ([200, 20] if cost == "updates" else [20, 2])


def test_each_study_of_a_comparison_has_a_line_that_ends_at_its_best(tmp_path: Path) -> None:
    """Each study with a value has a line of its own colour that ends at its best value, and long names are cut."""
    long = f"{'x' * 40}-end"
    studies = {
        long: one_epoch_study(tmp_path, "a", [0.2, 0.1, 0.5]),
        "b": one_epoch_study(tmp_path, "b", [0.3, 0.4]),
        "none": one_epoch_study(tmp_path, "none", []),
    }
    ax = plots.best_against(studies, Figure(figsize=(10, 4)).subplots(), "epochs")
    lines = [line for line in ax.get_lines() if len(line.get_xdata()) > 1]
    assert [list(line.get_ydata()) for line in lines] == [[0.2, 0.2, 0.5], [0.3, 0.4]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"…{long[-31:]}", "b"]
    assert all(float(tick).is_integer() for tick in ax.get_xticks())
    looks = [look_of(place) for place in range(24)]
    assert len({(look["color"], str(look["ls"])) for look in looks}) == 24


@pytest.mark.parametrize(("form", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_comparison_is_one_file(
    asha_results: Results, form: Any, head: bytes, recwarn: pytest.WarningsRecorder
) -> None:
    """A comparison is a file of the requested format; a script that the font lacks gives no warning."""
    objectives = [{"metric": "准确率", "mode": "max"}]
    renamed = replace(asha_results, study={**asha_results.study, "job": {**asha_results.job, "objectives": objectives}})
    assert plots.comparison_picture({"a": renamed, "b": renamed}, form).startswith(head)
    assert not [str(one.message) for one in recwarn if "Glyph" in str(one.message)]


def test_a_parameter_is_drawn_on_the_axis_of_its_domain(asha_results: Results) -> None:
    """A logarithmic domain has a logarithmic axis with plain numbers, and a choice has the names of its values."""
    ax = drawn(plots.objective_against, asha_results, "lr")
    assert ax.get_xscale() == "log"
    assert {"0.001", "0.01", "0.1"} <= {label.get_text() for label in ax.get_xticklabels()}
    assert drawn(plots.objective_against, asha_results, "momentum").get_xscale() == "linear"
    labels = [label.get_text() for label in drawn(plots.objective_against, asha_results, "optimizer").get_xticklabels()]
    assert labels == ["sgd", "rmsprop", "adam"]


@pytest.mark.parametrize("parameter", ["rate", "mix", "layers", "init", "shift", "q", "flag"])
def test_every_kind_of_domain_can_be_drawn(domains_results: Results, parameter: str) -> None:
    """A parameter of any kind of domain is drawn with one point for each trial."""
    ax = drawn(plots.objective_against, domains_results, parameter)
    assert sum(len(line.get_xdata()) for line in ax.get_lines()) == len(domains_results.trials)


def test_of_many_points_evenly_spaced_ones_and_the_best_are_drawn(
    asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many trials, a picture has a limited number of points, and that of the best trial."""
    monkeypatch.setattr(import_module("pipeline.results.plots.parameters"), "MAX_POINTS", 5)
    ax = drawn(plots.objective_against, asha_results, "lr")
    points = [line.get_ydata() for line in ax.get_lines() if line.get_marker() == "o"]
    assert sum(map(len, points)) in (5, 6)
    assert max(max(each, default=0) for each in points) == asha_results.best.value


def test_parallel_coordinates_draw_one_line_a_trial(asha_results: Results, wide: Results) -> None:
    """Each trial that did not fail is a line over its parameters to its objective; of many parameters, over some."""
    for results, axes in ((asha_results, len(tuned(asha_results))), (wide, MAX_PARAMETERS)):
        ax = drawn(plots.parallel_coordinates, results)
        lines = [segment for group in ax.collections for segment in group.get_segments()]
        assert len(lines) == len(scored(results))
        assert {len(line) for line in lines} == {axes + 1}
    assert ax.texts[0].get_text() == "p00"


def test_a_line_is_dotted_where_a_trial_lacks_parameters(branches_results: Results) -> None:
    """A trial's line is dotted where it lacks a parameter; a picture of the parameter shows the trials that have it."""
    ax = drawn(plots.parallel_coordinates, branches_results)
    rows, names = scored(branches_results), tuned(branches_results)
    bridges = [s for group in ax.collections if group.get_linestyle()[0][1] for s in group.get_segments()]
    there = [[place for place, name in enumerate(names) if row[name] == row[name]] for row in rows.to_dict("records")]
    gaps = [(a, b) for known in there for a, b in itertools.pairwise([*known, len(names)]) if b > a + 1]
    assert sorted((int(s[0][0]), int(s[1][0])) for s in bridges) == sorted(gaps) != []
    for name in names:
        ax = drawn(plots.objective_against, branches_results, name)
        assert sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() == "o") == rows[name].notna().sum()


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


def test_bands_reach_over_two_hyperparameters(tmp_path: Path) -> None:
    """Trials are points over filled bands, and the best one has a ring; those on one line have no bands."""
    places = [(x / 6 + 0.01, y / 6 + 0.01) for x in range(6) for y in range(6)]
    results = plane_study(tmp_path / "plane", places, lr=LogUniform(1e-3, 1.0), momentum=Uniform(0, 1))
    ax = drawn(plots.landscape, results)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert any(len(group.get_paths()) > 2 for group in ax.collections)
    ring = ax.get_lines()[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == tuple(results.best.config.values())
    line = [(part / 20, part / 20) for part in range(1, 15)]
    results = plane_study(tmp_path / "line", line, a=Uniform(0, 1), b=Uniform(0, 1))
    assert not drawn(plots.landscape, results).collections


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


def test_the_schedule_is_the_ancestors_then_the_winners(population: Results) -> None:
    """The schedule of the best model has the donor's value up to the exploit and the explored value after it."""
    line = coloured(drawn(plots.schedule, population, "lr"), ACCENT)[0]
    assert list(line.get_xdata()) == [0, 1, 1, 2, 2, 3, 3, 4]
    assert list(line.get_ydata()) == pytest.approx([0.1] * 4 + [0.08] * 4)


def test_every_mean_is_shown_in_its_row(folded: Results) -> None:
    """Each row shows a mean and its deviation as text, with the best at the top, even if it is beyond the axis."""
    ax = drawn(plots.deviations, folded)
    printed = [text.get_text() for text in ax.texts]
    assert printed[0] == "0.92 ± 0.016"
    assert printed[-1].startswith("0.1 ± ")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["he", "lecun", "glorot", "zero"]
    assert ax.get_xlim()[0] > 0.8


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


def test_ways_go_from_epoch_to_epoch(walked: Results) -> None:
    """The paths of trials are lines through x and y at each epoch, with the best trial's in front."""
    ax = drawn(plots.trajectories, walked)
    best = next(line for line in ax.get_lines() if len(line.get_xdata()) == 3)
    np.testing.assert_allclose(best.get_xdata(), [0.4, 0.8, 1.2])
    np.testing.assert_allclose(ax.collections[0].get_segments()[0][:, 1], [-0.2, -0.4, -0.6])


def test_of_thousands_of_lines_some_stand_for_all() -> None:
    """Of thousands of lines a limited number is drawn, with the first and the last, and few lines are all drawn."""
    many = some_of(10_000)
    assert (len(set(many)), many[0], many[-1]) == (MAX_LINES, 0, 9999)
    assert (list(some_of(3)), list(some_of(0))) == ([0, 1, 2], [])


def test_an_axis_leaves_out_what_is_far_from_good_and_says_so() -> None:
    """An axis leaves out a diverged trial, counts it, and always contains the good end of the values."""
    good = np.linspace(0.9, 0.97, 30)
    ax = Figure().add_subplot()
    show_range(ax, [0.1, *good], "max")
    low, high = ax.get_ylim()
    assert 0.5 < low < 0.97 < high
    assert "of 31 are below" in ax.texts[0].get_text()
    assert axis_limits([40.0, *good], "min")[1] < 2
    assert axis_limits([0.5, 0.5, float("nan")], "max") is None


@pytest.mark.parametrize(
    ("values", "mode", "scale"),
    [
        ([1e3, 1e-6, 0.0, np.nan], "min", "log"),
        ([1.0, 0.01], "min", "linear"),
        ([1e3, 1e-6, -1.0], "min", "linear"),
        ([1e3, 1e-6], "max", "linear"),
        ([np.nan, 0.0], "min", "linear"),
    ],
)
def test_values_that_fall_by_magnitudes_get_a_logarithmic_axis(values: list[float], mode: str, scale: str) -> None:
    """The axis of values is logarithmic if less is better, none is negative, and they span three decades."""
    ax = Figure().add_subplot()
    assert by_magnitude(ax, values, mode) is (scale == "log")
    assert ax.get_yscale() == scale


@pytest.mark.parametrize(
    ("names", "turned"),
    [(("sgd", "adam"), False), (("categorical_crossentropy", "binary_crossentropy", "mse"), True)],
)
def test_names_on_a_narrow_axis_are_turned(names: tuple[str, ...], turned: bool) -> None:
    """Names on an axis are turned only if they would overlap."""
    ax = Figure(figsize=(3, 2.5)).add_subplot()
    parameter_axis(ax, Choice(names), np.array([0.0]))
    assert [label.get_rotation() > 0 for label in ax.get_xticklabels()] == [turned] * len(names)


@pytest.mark.parametrize(
    ("domain", "scale"), [(Uniform(0.0, 0.5), "linear"), (Uniform(1e-4, 1.0), "log"), (LogUniform(0.1, 0.2), "log")]
)
def test_an_axis_is_logarithmic_if_its_domain_or_its_bounds_are(domain: Any, scale: str) -> None:
    """A uniform parameter over more than two decades has a logarithmic axis."""
    ax = Figure().add_subplot()
    parameter_axis(ax, domain, np.array([0.15]))
    assert ax.get_xscale() == scale


def test_a_dark_page_has_a_value_for_each_variable() -> None:
    """The dark palette has the variables of the light one, and each of its colours once."""
    assert DAY.keys() == NIGHT.keys() == set(VARIABLES.values())
    assert len(set(NIGHT.values())) == len(NIGHT)
