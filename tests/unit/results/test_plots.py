"""Pictures: each draws what the tables say, and none fails on a study with little in it."""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from pipeline.results import Results, load_results, plots
from pipeline.results.captions import of_learning_curves
from pipeline.results.plots.effort import effort
from pipeline.results.plots.scheduling import ancestry, exploits, rungs_of
from pipeline.results.plots.space import config_places, parameter_axis, scored, tuned
from pipeline.results.plots.style import ACCENT, MOST_LINES, by_magnitude, some_lines, window
from pipeline.space import Choice, LogUniform
from tests.unit.results import studies
from tests.unit.results.edges import EDGES

WHOLE = (
    plots.learning_curves,
    plots.learning_rates,
    plots.best_so_far,
    plots.parallel_coordinates,
    plots.rungs,
    plots.lineage,
    plots.where_time_went,
)


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A population whose best trial took over weights."""
    root = tmp_path_factory.mktemp("pbt")
    recording = studies.Recording(
        root, studies.tune_job("population", space={"lr": LogUniform(1e-3, 1.0)}, scheduler="pbt")
    )
    for trial, lr in (("0000", 0.5), ("0001", 0.1)):
        recording.decide(trial, 0, "start", 0, config_after={"lr": lr})
        for epoch in (1, 2):
            recording.train(trial, epoch, {"lr": lr}, 0.3 if trial == "0000" else 0.6, epoch)
    before, after = {"lr": 0.5}, {"lr": 0.08}
    recording.decide(
        "0000", 2, "exploit", 2, parent_trial="0001", parent_epoch=2, config_before=before, config_after=after
    )
    for epoch in (3, 4):
        recording.train("0000", epoch, after, 0.7 + epoch / 100, epoch, segment=2, model_epoch=epoch)
        recording.train("0001", epoch, {"lr": 0.1}, 0.65, epoch)
    for trial in ("0000", "0001"):
        recording.decide(trial, 4, "finish", 5)
    recording.end(5)
    return load_results(root / "population")


def drawn(plot: Any, results: Results, *more: Any) -> Axes:
    """The axes after drawing everything, as a file would."""
    with plots.style():
        figure = Figure(figsize=(6, 4))
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        assert plot(results, ax, *more) is ax
        canvas.draw()
    return ax


def coloured(ax: Axes, colour: str) -> list[Any]:
    """Lines of that colour."""
    return [line for line in ax.get_lines() if line.get_color() == colour and line.get_linestyle() == "-"]


def test_learning_curves_put_the_best_trial_in_front(asha_results: Results) -> None:
    """The coloured line is the best trial's objective, epoch by epoch."""
    ax = drawn(plots.learning_curves, asha_results)
    best = asha_results.epochs[asha_results.epochs["trial_id"] == asha_results.best.trial_id]
    line = next(line for line in coloured(ax, ACCENT) if len(line.get_xdata()) > 1)
    assert line.get_ydata() == pytest.approx(best["val_accuracy"])
    assert "training" in {text.get_text() for text in ax.texts}


def test_of_thousands_of_lines_some_stand_for_all(asha_results: Results) -> None:
    """The first and the last are among them; what is few is drawn whole, and the caption tells of the rest."""
    assert list(some_lines(3)) == [0, 1, 2]
    many = some_lines(10_000)
    assert (len(set(many)), many[0], many[-1]) == (MOST_LINES, 0, 9999)
    assert list(some_lines(0)) == []

    assert "stand for all" not in of_learning_curves(asha_results)
    crowd = pd.concat([asha_results.trials] * 100)
    told = of_learning_curves(replace(asha_results, trials=crowd))
    assert told.endswith("Of 2,400 trials 2,000, evenly spread, stand for all.")


def test_best_so_far_never_falls_and_ends_at_the_best(asha_results: Results) -> None:
    """The step line rises to the study's best value."""
    steps = next(line for line in coloured(drawn(plots.best_so_far, asha_results), ACCENT))
    values = np.asarray(steps.get_ydata(), float)
    assert (np.diff(values) >= 0).all()
    assert values[-1] == asha_results.best.value


def test_best_so_far_of_a_loss_never_rises(domains_results: Results) -> None:
    """Where less is better, the line falls to the least."""
    values = np.asarray(coloured(drawn(plots.best_so_far, domains_results), ACCENT)[0].get_ydata(), float)
    assert (np.diff(values) <= 0).all()
    assert values[-1] == domains_results.best.value


def test_a_parameter_is_drawn_on_the_axis_of_its_domain(asha_results: Results) -> None:
    """Logarithmic domains get a logarithmic axis, choices their values' names."""
    assert drawn(plots.objective_against, asha_results, "lr").get_xscale() == "log"
    assert drawn(plots.objective_against, asha_results, "units").get_xscale() == "log"
    assert drawn(plots.objective_against, asha_results, "momentum").get_xscale() == "linear"
    labels = [label.get_text() for label in drawn(plots.objective_against, asha_results, "optimizer").get_xticklabels()]
    assert labels == ["sgd", "rmsprop", "adam"]


def test_numbers_on_a_logarithmic_axis_are_plain(asha_results: Results) -> None:
    """No mathematical markup shows: it would not be set as such in the page."""
    labels = [label.get_text() for label in drawn(plots.objective_against, asha_results, "lr").get_xticklabels()]
    assert {"0.001", "0.01", "0.1"} <= set(labels)


@pytest.mark.parametrize("parameter", ["rate", "mix", "layers", "init", "shift", "q", "flag"])
def test_every_kind_of_domain_can_be_drawn(domains_results: Results, parameter: str) -> None:
    """One point a trial, whatever the parameter is."""
    ax = drawn(plots.objective_against, domains_results, parameter)
    assert sum(len(line.get_xdata()) for line in ax.get_lines()) == len(domains_results.trials)
    assert np.isfinite(config_places(domains_results, domains_results.trials, parameter)).all()


def test_names_on_a_narrow_axis_do_not_touch() -> None:
    """They are turned where side by side they would run into each other, and only there."""
    figure = Figure(figsize=(3, 2.5))
    canvas = FigureCanvasAgg(figure)
    for names, turned in ((("sgd", "adam"), False), (("categorical_crossentropy", "binary_crossentropy", "mse"), True)):
        figure.clear()
        ax = figure.add_subplot()
        parameter_axis(ax, Choice(names), np.array([0.0]))
        canvas.draw()
        assert [label.get_rotation() > 0 for label in ax.get_xticklabels()] == [turned] * len(names)
        places = [label.get_window_extent() for label in ax.get_xticklabels()] if not turned else []
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(places))


def test_choices_of_mixed_types_lie_side_by_side(tmp_path: Path) -> None:
    """Each value has its place, though the column holds them as text."""
    recording = studies.Recording(tmp_path, studies.tune_job("mixed", space={"mix": Choice((2, True, "auto"))}))
    for index, value in enumerate(("auto", 2, True)):
        recording.decide(f"{index:04d}", 0, "start", index, config_after={"mix": value})
    recording.end(3)
    results = load_results(recording.store.uri)
    assert list(config_places(results, results.trials, "mix")) == [2.0, 0.0, 1.0]


def test_parallel_coordinates_draw_one_line_a_trial(asha_results: Results) -> None:
    """Failed trials aside, every trial is a line from its first parameter to its objective."""
    ax = drawn(plots.parallel_coordinates, asha_results)
    lines = [segment for group in ax.collections for segment in group.get_segments()]
    assert len(lines) == len(scored(asha_results))
    assert {len(line) for line in lines} == {len(tuned(asha_results)) + 1}


def test_a_line_is_dotted_where_it_passes_parameters_a_trial_does_not_have(branches_results: Results) -> None:
    """Solid where two neighbours have values; every trial reaches its objective one way or the other."""
    ax = drawn(plots.parallel_coordinates, branches_results)
    rows, names = scored(branches_results), tuned(branches_results)
    bridges = [s for group in ax.collections if group.get_linestyle()[0][1] for s in group.get_segments()]
    there = [[place for place, name in enumerate(names) if row[name] == row[name]] for row in rows.to_dict("records")]
    gaps = [(a, b) for known in there for a, b in itertools.pairwise([*known, len(names)]) if b > a + 1]
    assert gaps
    assert sorted((int(s[0][0]), int(s[1][0])) for s in bridges) == sorted(gaps)


def test_every_panel_shows_those_that_have_the_parameter(branches_results: Results) -> None:
    """A parameter of one branch has a point for each trial in that branch alone."""
    for name in tuned(branches_results):
        ax = drawn(lambda results, axes, name=name: plots.objective_against(results, axes, name), branches_results)
        points = sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() == "o")
        assert points == scored(branches_results)[name].notna().sum()


def test_rungs_count_who_was_compared_and_who_was_stopped(asha_results: Results) -> None:
    """Those that go on are counted too, though they leave no decision behind."""
    rungs = rungs_of(asha_results).set_index("rung")
    stops = asha_results.decisions[asha_results.decisions["kind"] == "stop"]
    assert rungs["stopped"].to_dict() == stops["rung"].astype(int).value_counts().to_dict()
    assert rungs.loc[1, "reached"] == (asha_results.trials["epochs"] >= 1).sum()
    texts = [text.get_text() for text in drawn(plots.rungs, asha_results).texts]
    assert {str(stopped) for stopped in rungs["stopped"]} <= set(texts)


def test_rungs_count_where_brackets_compare(tmp_path: Path) -> None:
    """Of three that trained past the first rung one was in a bracket that begins later; promoted ones count once."""
    recording = studies.Recording(tmp_path, studies.tune_job("brackets", scheduler="hyperband"))
    config = {"lr": 0.1}
    for trial, value in (("0000", 0.2), ("0001", 0.4), ("0002", 0.3)):
        recording.decide(trial, 0, "start", 0, config_after=config)
        for epoch in range(1, 2 if trial == "0000" else 4):
            recording.train(trial, epoch, config, value, epoch)
    recording.decide("0000", 1, "pause", 1, rung=1)
    recording.decide("0001", 1, "pause", 1, rung=1)
    recording.decide("0000", 1, "stop", 2, rung=1, cutoff=0.4)
    recording.decide("0001", 1, "promote", 2, rung=1, cutoff=0.4)
    recording.decide("0002", 3, "pause", 3, rung=3)
    recording.decide("0001", 3, "pause", 3, rung=3)
    recording.end(5)
    rungs = rungs_of(load_results(tmp_path / "brackets"))
    assert rungs.to_dict("list") == {"rung": [1, 3], "reached": [2, 2], "stopped": [1, 0]}


def test_the_ancestry_of_the_best_leads_through_its_donor(population: Results) -> None:
    """The best model's epochs are the donor's first, then the receiver's own."""
    assert population.best.trial_id == "0000"
    assert [(s.trial_id, s.after, s.until, s.age) for s in ancestry(population)] == [
        ("0001", 0, 2, 0),
        ("0000", 2, 4, 2),
    ]


def test_lineage_draws_an_arrow_for_each_exploit(population: Results) -> None:
    """The arrow on the best model's way has its colour."""
    arrows = drawn(plots.lineage, population).findobj(FancyArrowPatch)
    assert len(arrows) == len(exploits(population)) == 1
    assert matplotlib.colors.to_hex(arrows[0].get_edgecolor()) == ACCENT


def test_the_schedule_is_the_ancestors_then_the_winners(population: Results) -> None:
    """The coloured line has the donor's value first and the explored one after the exploit."""
    line = coloured(drawn(plots.schedule, population, "lr"), ACCENT)[0]
    assert list(line.get_xdata()) == [0, 1, 1, 2, 2, 3, 3, 4]
    assert list(line.get_ydata()) == pytest.approx([0.1] * 4 + [0.08] * 4)


def test_effort_adds_up_the_seconds_of_all_workers(asha_results: Results) -> None:
    """Busy and idle together are what the workers had."""
    spent = effort(asha_results)
    columns = [f"seconds_{phase}" for phase in ("build", "train", "evaluate", "checkpoint")]
    assert spent.busy == pytest.approx(asha_results.epochs[columns].to_numpy().sum())
    assert spent.workers == 2
    assert spent.busy + spent.idle == pytest.approx(2 * asha_results.seconds)


def test_learning_rates_break_where_another_config_began(population: Results) -> None:
    """An exploit's jump is a gap, not a slope that never was."""
    behind = next(c for c in drawn(plots.learning_rates, population).collections if isinstance(c, LineCollection))
    assert len(behind.get_segments()) == 3


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@pytest.mark.parametrize("edge", list(EDGES))
def test_a_study_at_the_edge_can_be_drawn(tmp_path: Path, edge: str) -> None:
    """No picture fails for want of data, or for very much of it."""
    results = load_results(EDGES[edge](tmp_path).store.uri)
    for plot in WHOLE:
        drawn(plot, results)
    for parameter in tuned(results)[:2]:
        drawn(plots.objective_against, results, parameter)
        drawn(plots.schedule, results, parameter)


def test_the_window_leaves_out_what_is_far_from_good() -> None:
    """One diverged trial does not flatten the others; the good end is always in sight."""
    good = np.linspace(0.9, 0.97, 30)
    low, high = window([0.1, *good], "max")
    assert 0.5 < low < high
    assert high > 0.97
    low, high = window([40.0, *good], "min")
    assert low < 0.9
    assert high < 2


def test_the_window_of_equal_values_is_none() -> None:
    """Nothing can be set from one value; not finite ones do not count."""
    assert window([0.5, 0.5, float("nan")], "max") is None
    assert window([float("inf")], "max") is None


@pytest.mark.parametrize(
    ("values", "mode", "scale"),
    [
        ([1e3, 1e-6, 0.0, math.nan], "min", "log"),
        ([1.0, 0.01], "min", "linear"),
        ([1e3, 1e-6, -1.0], "min", "linear"),
        ([1e3, 1e-6], "max", "linear"),
        ([math.nan, 0.0], "min", "linear"),
    ],
)
def test_values_that_fall_by_magnitudes_get_a_logarithmic_axis(values: list[float], mode: str, scale: str) -> None:
    """Only where less is better, nothing is negative, and there are more than three decades; zeros lie below."""
    ax = Figure().add_subplot()
    assert by_magnitude(ax, values, mode) is (scale == "log")
    assert ax.get_yscale() == scale
    if scale == "log":
        assert ax.get_ylim() == pytest.approx((1e-6 / 1e9**0.1, 2e3))
