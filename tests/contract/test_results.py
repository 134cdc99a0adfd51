"""Properties of the results of any study: almost empty, all failed, equal values, very many trials."""

import json
import re

import pytest

from pipeline.results import Results, load_results, plots
from pipeline.results.analysis.importance import importances
from pipeline.results.analysis.parameters import tuned
from pipeline.results.report.page import report_page
from pipeline.results.tables.trials import board, configs_at_best
from pipeline.results.views.explanation import explanation_tables
from pipeline.results.views.study import leaderboard, results_object
from pipeline.results.views.trial import trial_lines, trial_tables
from pipeline.space import fits
from pipeline.storage.tables import space_of
from tests.cases import cases
from tests.command import rows_of
from tests.drawing import drawn
from tests.extreme_studies import EDGES
from tests.html_page import Page
from tests.recorded_studies import START
from tests.small_studies import printed

_OFTEN = ("not_yet_a_trial", "all_failed", "branches")
"""Studies whose pictures and whole report are drawn every time: that takes seconds."""


@pytest.fixture(scope="module", params=cases(EDGES, EDGES.keys() - {"many_trials"}))
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    study = EDGES[request.param](tmp_path_factory.mktemp("edge"))
    return load_results(study.store.uri, now=START)


def test_any_study_is_printed_as_json(results: Results) -> None:
    trials = rows_of(json.dumps(results_object(results), allow_nan=False), "trials")
    assert [trial["trial_id"] for trial in trials] == board(results)["trial_id"].to_pylist()
    space, configs = space_of(results.study), configs_at_best(results)
    for trial in trials:
        config = {name: trial[f"config_{name}"] for name in configs[trial["trial_id"]]}
        assert config == configs[trial["trial_id"]]
        assert fits(space, config)


def test_any_study_has_a_leaderboard(results: Results) -> None:
    table = leaderboard(results)
    assert len(table.rows) == len(results.trials)
    assert len(printed(table, 2000).splitlines()) == 1 + len(results.trials)
    assert results.best is None or board(results)["trial_id"].to_pylist()[0] == results.best.trial_id


def test_any_trial_can_be_shown(results: Results) -> None:
    for trial_id, state in list(zip(results.trials["trial_id"], results.trials["state"], strict=True))[
        :: max(1, len(results.trials) - 1)
    ]:
        assert trial_lines(results, trial_id)["trial"].startswith(f"{trial_id}  {state}, ")
        for table in trial_tables(results, trial_id):
            assert printed(table).startswith(table.title)
            json.dumps(table.as_object(), allow_nan=False)


def test_any_study_is_explained_or_a_reason_given(results: Results) -> None:
    tables = explanation_tables(results)
    json.dumps([table.as_object() for table in tables], allow_nan=False)
    assert all(bool(found.effects) != bool(found.note) for found in importances(results))


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@pytest.mark.parametrize("results", cases(EDGES, _OFTEN), indirect=True)
def test_any_study_can_be_drawn(results: Results) -> None:
    for plot in (plots.learning_curves, plots.best_so_far, plots.parallel_coordinates, plots.rungs):
        drawn(plot, results)
    for parameter in tuned(results)[:2]:
        drawn(plots.objective_against, results, parameter)


@pytest.mark.parametrize("results", cases(EDGES, _OFTEN), indirect=True)
def test_any_study_has_a_whole_page(results: Results) -> None:
    text = report_page(results)
    page = Page(text)
    assert page.open == []
    assert text.count(' data-trial="') == len(results.trials)
    assert results.name in page.text
    assert "://" not in text.replace(results.location, "")
    assert not re.search(r"<(td|dd)[^>]*>\s*(nan|None|inf)\s*<", text)
