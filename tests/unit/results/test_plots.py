"""What pictures show of a study, and how they are drawn within a page."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.results import Results, load_results, plots
from pipeline.results.analysis.importance import importances
from pipeline.results.analysis.parameters import TRIAL, scored, tuned
from pipeline.results.analysis.queries import rungs as rungs_of
from pipeline.results.palette import ACCENT, MAX_PARAMETERS
from pipeline.results.plots.style import inline_svg, mark_axis, mark_trials, parameter_axis, show_values
from pipeline.space import Choice, LogUniform, Uniform
from pipeline.study import Objective
from tests.drawing import drawn
from tests.front_studies import recorded
from tests.recorded_studies import HOSTILE, Recording, tune_job, with_tables


def coloured(ax: Axes, colour: str) -> list[Any]:
    """Lines of that colour with more than one point."""
    lines = [line for line in ax.get_lines() if line.get_color() == colour and line.get_linestyle() == "-"]
    return [line for line in lines if len(line.get_xdata()) > 1]


@pytest.mark.parametrize("column", ["val_accuracy", "loss"])
def test_learning_curves_put_the_best_trial_in_front(asha_results: Results, column: str) -> None:
    best = asha_results.epochs[asha_results.epochs["trial_id"] == asha_results.best.trial_id]
    ax = drawn(plots.learning_curves, asha_results, column)
    assert coloured(ax, ACCENT)[0].get_ydata() == pytest.approx(best[column])
    ends = next(line for line in ax.get_lines() if line.get_marker() == "o" and len(line.get_xdata()) > 1)
    assert (len(ends.get_xdata()), ends.get_alpha()) == (asha_results.epochs["trial_id"].nunique(), 1)
    # A metric that the best trial does not have.
    missing = asha_results.epochs.assign(
        val_loss=lambda f: f["val_loss"].where(f["trial_id"] != asha_results.best.trial_id)
    )
    drawn(plots.learning_curves, with_tables(asha_results, epochs=missing), "val_loss")
    ax = drawn(plots.trial_curve, asha_results, asha_results.best.trial_id, column)
    assert coloured(ax, ACCENT)[0].get_ydata() == pytest.approx(best[column])


@pytest.mark.parametrize("name", ["asha_results", "domains_results"])
def test_best_so_far_only_improves_and_ends_at_the_best(name: str, request: pytest.FixtureRequest) -> None:
    results = request.getfixturevalue(name)
    values = np.asarray(coloured(drawn(plots.best_so_far, results), ACCENT)[0].get_ydata(), float)
    assert (np.diff(values) * (1 if results.objective.mode == "max" else -1) >= 0).all()
    assert values[-1] == results.best.value


def test_best_so_far_begins_where_the_first_value_is(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("late"), metrics=("val_accuracy",))
    study.train("0000", 1, {}, 0.9, 100.0)
    study.end(110.0)
    left, right = drawn(plots.best_so_far, load_results(study.store.uri)).get_xlim()
    assert 0 < (100 - left) / (right - left) < 0.1


def test_a_parameter_is_drawn_on_the_axis_of_its_domain(asha_results: Results) -> None:
    ax = drawn(plots.objective_against, asha_results, "lr")
    assert ax.get_xscale() == "log"
    assert {"0.001", "0.01", "0.1"} <= {label.get_text() for label in ax.get_xticklabels()}
    labels = [label.get_text() for label in drawn(plots.objective_against, asha_results, "optimizer").get_xticklabels()]
    assert labels == ["sgd", "rmsprop", "adam"]


@pytest.mark.parametrize(
    ("domain", "scale"), [(Uniform(0.0, 0.5), "linear"), (Uniform(1e-4, 1.0), "log"), (LogUniform(0.1, 0.2), "log")]
)
def test_an_axis_is_logarithmic_if_its_domain_or_its_bounds_are(domain: Any, scale: str) -> None:
    ax = Figure().add_subplot()
    parameter_axis(ax, domain)
    assert ax.get_xscale() == scale


def test_parallel_coordinates_draw_one_line_a_trial(asha_results: Results, wide: Results) -> None:
    for results, axes in ((asha_results, len(tuned(asha_results))), (wide, MAX_PARAMETERS)):
        ax = drawn(plots.parallel_coordinates, results)
        lines = [segment for group in ax.collections for segment in group.get_segments()]
        assert len(lines) == len(scored(results)[TRIAL])
        assert {len(line) for line in lines} == {axes + 1}


def test_bars_are_shares_the_largest_above(known: Results) -> None:
    ax = drawn(plots.importance_bars, importances(known)[0])
    shares = [bar.get_width() for bar in ax.patches]
    assert [label.get_text() for label in ax.get_yticklabels()][:2] == ["a", "c"]
    assert shares == sorted(shares, reverse=True)
    assert ax.texts[0].get_text() == f"{shares[0]:.0%}"


def test_rungs_say_how_many_trials_were_stopped(asha_results: Results) -> None:
    ax = drawn(plots.rungs, asha_results)
    assert {str(row["stopped"]) for row in rungs_of(asha_results).to_pylist()} <= {text.get_text() for text in ax.texts}
    bars = [segment for group in ax.collections for segment in group.get_segments()]
    assert sorted(bar[1][0] for bar in bars) == sorted(asha_results.trials["epochs"])


@pytest.mark.parametrize(("objective", "style", "corners"), [
    (Objective("parameters", "min"), "steps-post", [(10, 0.5), (50, 0.8), (1000, 0.9), (20_000, 0.95)]),
    (Objective("parameters", "max"), "steps-pre", [(20_000, 0.95)]),
    (Objective("parameters", "min", at_most=1000), "steps-post", [(10, 0.5), (50, 0.8), (1000, 0.9)]),
])  # fmt: skip
def test_the_front_is_a_line_without_failed_trials_and_those_beyond_a_bound(
    tmp_path: Path, objective: Objective, style: str, corners: Any
) -> None:
    ax = drawn(plots.trade_off, load_results(recorded(tmp_path, objective).store.uri), "parameters")
    line = ax.get_lines()[-1]
    assert line.get_drawstyle() == style
    assert list(zip(*line.get_data(), strict=True)) == corners
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == ("log", "parameters", "val_accuracy")


@pytest.mark.parametrize(("values", "mode", "scale"), [
    ([1e3, 1e-6, 0.0, np.nan], "min", "log"),
    ([1.0, 0.01], "min", "linear"),
    ([1e3, 1e-6, -1.0], "min", "linear"),
    ([1e3, 1e-6], "max", "linear"),
    ([np.nan, 0.0], "min", "linear"),
    ([0.1, *np.linspace(0.9, 0.97, 30)], "max", "linear"),
])  # fmt: skip
def test_an_axis_shows_the_good_values_and_counts_the_others(values: list[float], mode: str, scale: str) -> None:
    ax = Figure().add_subplot()
    show_values(ax, values, mode)
    assert ax.get_yscale() == scale
    if len(values) > 9:
        low, high = ax.get_ylim()
        assert 0.5 < low < 0.97 < high
        assert ax.get_title(loc="right").startswith("2 of 31 ")


def test_a_picture_uses_the_colours_and_the_text_of_its_page() -> None:
    """It has variables of its page and no style, and text in it cannot end its element."""

    def draw(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], "o", color=ACCENT)
        ax.set_title(HOSTILE)

    svg = inline_svg(draw, name="one", size=(400, 300))
    assert 'fill="var(--accent)"' in svg
    assert not [word for word in (ACCENT, "DejaVu", "<metadata", "style=", "<script") if word in svg]
    assert re.match(r'<svg viewBox="[^"]+" width="400" aria-hidden="true"', svg)
    assert svg == inline_svg(draw, name="one", size=(400, 300))
    ids = re.findall(r' id="([^"]+)"', svg)
    assert ids
    assert all(each.startswith("one-") for each in ids)
    assert set(re.findall(r"url\(#([^)]+)\)", svg) + re.findall(r'href="#([^"]+)"', svg)) <= set(ids)


def test_marks_are_where_trials_and_axes_are() -> None:
    def draw(ax: Axes) -> None:
        ax.set_xscale("log")
        ax.plot([1, 10, 1000], [0.5, 0.25, 0.75], "o")
        ax.set_xlim(0.5, 100)
        mark_trials(ax, ["a", "<b>", "c"], [1, 10, 1000], [0.5, 0.25, 0.75])
        mark_axis(ax, "x", "config_lr", LogUniform(0.5, 100))
        mark_axis(ax, "y", "config_kind", Choice(["it's", 2]))

    svg = inline_svg(draw, name="x", size=(400, 300))
    marks = json.loads(unescape(re.findall(r'data-marks="([^"]*)"', svg)[0]))
    points = [(float(x), float(y)) for x, y in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*/>', svg)]
    assert [name for name, *_ in marks["trials"]] == ["a", "<b>"]
    for _, x, y in marks["trials"]:
        assert min(abs(x - left) + abs(y - top) for left, top in points) < 0.2
    lr, kind = marks["axes"]
    assert (lr["along"], lr["column"], lr["span"], lr["log"]) == ("x", "config_lr", [0.5, 100.0], True)
    assert kind["values"] == ["'it''s'", "'2'"]
    x0, y0, x1, y1 = lr["box"]
    assert x0 < marks["trials"][0][1] < x1
    assert y0 > marks["trials"][0][2] > y1
