import json

import pytest
from rich.console import Console

from pipeline.results import Results, load_results
from pipeline.results.as_object import results_object
from pipeline.results.gather import space_of
from pipeline.results.leaderboard import leaderboard, ranked
from pipeline.space import fits
from tests.unit.results.edges import EDGES
from tests.unit.results.studies import START


@pytest.fixture(scope="module", params=list(EDGES))
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The results of each edge."""
    study = EDGES[request.param](tmp_path_factory.mktemp("edge"))
    return load_results(study.store.uri, now=START)


def test_every_edge_is_told_as_json(results: Results) -> None:
    """Whatever a study holds, its object is strict JSON with each trial once."""
    told = json.loads(json.dumps(results_object(results), allow_nan=False))

    assert [trial["trial_id"] for trial in told["trials"]] == list(results.trials["trial_id"])
    space = space_of(results.study)
    assert all(fits(space, trial["config"]) for trial in told["trials"])


def test_every_edge_has_a_leaderboard(results: Results) -> None:
    """Whatever a study holds, each trial has its row, the best in the first."""
    table = leaderboard(results, top=None)
    with (console := Console(width=2000)).capture() as captured:
        console.print(table)

    assert table.row_count == len(results.trials)
    assert len(captured.get().splitlines()) == 1 + len(results.trials)
    assert results.best is None or ranked(results)[0] == results.best.trial_id


def test_best_is_there_where_a_trial_that_did_not_fail_has_a_value(results: Results) -> None:
    """A study has a best exactly if some trial has a finite value and did not fail."""
    counting = results.trials["objective"].notna() & (results.trials["state"] != "failed")

    assert (results.best is not None) == bool(counting.any())
