"""The objective against hyperparameters."""

import itertools
from importlib import import_module

import numpy as np
import pytest

from pipeline.results import Results, plots
from pipeline.results.analysis.parameters import TRIAL, config_positions, scored, tuned
from pipeline.results.plots.style import MAX_AXES, some_lines
from tests.unit.results.plots.drawing import drawn


def test_a_parameter_is_drawn_on_the_axis_of_its_domain(asha_results: Results) -> None:
    """A parameter with a logarithmic domain has a logarithmic axis, and a choice has the names of its values."""
    assert drawn(plots.objective_against, asha_results, "lr").get_xscale() == "log"
    assert drawn(plots.objective_against, asha_results, "units").get_xscale() == "log"
    assert drawn(plots.objective_against, asha_results, "momentum").get_xscale() == "linear"
    labels = [label.get_text() for label in drawn(plots.objective_against, asha_results, "optimizer").get_xticklabels()]
    assert labels == ["sgd", "rmsprop", "adam"]


def test_numbers_on_a_logarithmic_axis_are_plain(asha_results: Results) -> None:
    """Numbers on a logarithmic axis are plain text without mathematical markup."""
    labels = [label.get_text() for label in drawn(plots.objective_against, asha_results, "lr").get_xticklabels()]
    assert {"0.001", "0.01", "0.1"} <= set(labels)


@pytest.mark.parametrize("parameter", ["rate", "mix", "layers", "init", "shift", "q", "flag"])
def test_every_kind_of_domain_can_be_drawn(domains_results: Results, parameter: str) -> None:
    """A parameter of any kind of domain is drawn with one point for each trial."""
    ax = drawn(plots.objective_against, domains_results, parameter)
    assert sum(len(line.get_xdata()) for line in ax.get_lines()) == len(domains_results.trials)
    assert np.isfinite(config_positions(domains_results, domains_results.table("trials"), parameter)).all()


def test_of_many_points_evenly_spaced_ones_and_the_best_are_drawn(
    asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many trials, a hyperparameter's picture has a limited number of points, and that of the best trial."""
    every = drawn(plots.objective_against, asha_results, "lr")
    monkeypatch.setattr(import_module("pipeline.results.plots.hyperparameters"), "MAX_POINTS", 5)
    some = drawn(plots.objective_against, asha_results, "lr")
    counts = [[len(line.get_xdata()) for line in ax.get_lines() if line.get_marker() == "o"] for ax in (every, some)]
    assert sum(counts[0]) == len(scored(asha_results))
    assert sum(counts[1]) in (5, 6)
    best = [max(max(line.get_ydata(), default=0) for line in ax.get_lines()) for ax in (every, some)]
    assert best == [asha_results.best.value] * 2
    assert some.get_ylim() == every.get_ylim()


def test_parallel_coordinates_draw_one_line_a_trial(asha_results: Results) -> None:
    """In parallel coordinates each trial that did not fail is a line from its first parameter to its objective."""
    ax = drawn(plots.parallel_coordinates, asha_results)
    lines = [segment for group in ax.collections for segment in group.get_segments()]
    assert len(lines) == len(scored(asha_results))
    assert {len(line) for line in lines} == {len(tuned(asha_results)) + 1}


def test_of_many_trials_evenly_spaced_ones_and_the_best_are_drawn(
    asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many trials, parallel coordinates draw the evenly spaced ones that their caption counts, and the best."""
    monkeypatch.setattr(import_module("pipeline.results.plots.style"), "MAX_LINES", 5)
    ax = drawn(plots.parallel_coordinates, asha_results)
    rows = scored(asha_results)
    shown = {*some_lines(len(rows)).tolist(), rows[TRIAL].tolist().index(asha_results.best.trial_id)}
    lines = [segment for group in ax.collections for segment in group.get_segments()]
    heights = sorted(float(line[-1][1]) for line in lines)
    assert len(lines) == len(shown) < len(rows)
    assert heights[-1] == 1.0


def test_a_line_is_dotted_where_a_trial_lacks_parameters(branches_results: Results) -> None:
    """A trial's line is dotted where it lacks a parameter, and every trial's line reaches the objective."""
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


def test_the_most_influential_of_many_hyperparameters_have_an_axis(wide: Results) -> None:
    """Parallel coordinates of 60 hyperparameters have axes for as many as have room, the most telling one first."""
    ax = drawn(plots.parallel_coordinates, wide)
    assert {len(line) for group in ax.collections for line in group.get_segments()} == {MAX_AXES + 1}
    assert ax.texts[0].get_text() == "p41"
