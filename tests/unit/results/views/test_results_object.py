import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis import explained
from pipeline.results.analysis.comparison import compared
from pipeline.results.tables.overview import overview
from pipeline.results.tables.user_files import TrialFile, TrialFiles
from pipeline.results.views.comparison_object import comparison_object
from pipeline.results.views.explanation_object import explanation_object
from pipeline.results.views.results_object import results_object, studies_object, trial_object
from pipeline.simulation.forecast import SeedResult
from pipeline.storage import Store
from pipeline.storage.schema import DECISIONS, TRIALS
from tests.unit.results.studies import Recording, asha_study, tune_job

DOCUMENT = Path(__file__).parents[4] / "docs/results-json.md"

TYPES = {
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def documented() -> list[dict[str, tuple[type, ...]]]:
    """The keys and types of each table of the documentation, in order."""
    tables: list[dict[str, tuple[type, ...]]] = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if line == "| --- | --- | --- |":
            tables.append({})
        elif found := re.match(r"\| `(\w+)` \| ([\w ]+) \|", line):
            key, kinds = found.groups()
            tables[-1][key] = tuple(kind for name in kinds.split(" or ") for kind in TYPES[name])
    return tables


@pytest.fixture(params=["asha_results", "pbt_results", "domains_results", "empty"])
def results(request: pytest.FixtureRequest, tmp_path: Path) -> Results:
    """Studies of every kind, one without a trial among them."""
    if request.param == "empty":
        return load_results(Recording(tmp_path, tune_job("empty")).store.uri)
    found: Results = request.getfixturevalue(request.param)
    return found


def test_a_studys_object_is_as_documented(results: Results) -> None:
    """A study's object has exactly the documented keys with values of the documented types."""
    of_study, of_trial, *_ = documented()
    reported = json.loads(json.dumps(results_object(results), allow_nan=False))

    assert set(reported) == set(of_study)
    assert all(isinstance(reported[key], kinds) for key, kinds in of_study.items())
    assert set(reported["objective"]) == {"metric", "mode"}
    assert reported["best"] is None or set(reported["best"]) == {"trial_id", "value", "epoch", "config"}
    assert len(reported["trials"]) == len(results.trials)
    for trial in reported["trials"]:
        assert set(trial) == set(of_trial)
        assert all(isinstance(trial[key], kinds) for key, kinds in of_trial.items()), trial


def test_a_trials_object_is_as_documented(asha_results: Results, pbt_results: Results) -> None:
    """A trial's object has exactly the documented keys, and its trial equals that of the study's object."""
    _, _, of_one, of_epoch, *_ = documented()
    for results in (asha_results, pbt_results):
        for trial in results_object(results)["trials"]:
            files = TrialFiles("files/0000", [TrialFile("log.csv", 12)])
            reported = json.loads(json.dumps(trial_object(results, trial["trial_id"], files), allow_nan=False))
            assert set(reported) == set(of_one)
            assert all(isinstance(reported[key], kinds) for key, kinds in of_one.items())
            assert reported["trial"] == trial
            assert (reported["files"], reported["files_dropped"]) == ([{"path": "log.csv", "bytes": 12}], [])
            assert len(reported["epochs"]) == trial["epochs"]
            for epoch in reported["epochs"]:
                assert set(epoch) == set(of_epoch)
                assert all(isinstance(epoch[key], kinds) for key, kinds in of_epoch.items()), epoch
            for decision in reported["decisions"]:
                assert set(decision) == {column.name for column in DECISIONS} - {"study", "trial_id"}
                assert isinstance(decision["config_after"], dict | None)


def test_the_studies_object_is_as_documented(tmp_path: Path) -> None:
    """The object of a study with trials, without trials, or unreadable has exactly the documented keys."""
    asha_study(tmp_path)
    Recording(tmp_path, tune_job("empty"))
    Store(tmp_path).write("broken/study.json", "{")
    of_row = documented()[4]
    reported = json.loads(json.dumps(studies_object(overview(Store(tmp_path))), allow_nan=False))

    assert len(reported["studies"]) == 3
    for row in reported["studies"]:
        assert set(row) == set(of_row)
        assert all(isinstance(row[key], kinds) for key, kinds in of_row.items()), row


def test_failures_are_grouped_in_the_object(asha_results: Results) -> None:
    """The object of a study has each cause of failures with its trials."""
    failures = results_object(asha_results)["failures"]

    assert [failure["trials"] for failure in failures] == [["0004"], ["0009"]]
    assert set(failures[0]) == {"error", "where", "trials"}
    assert failures[1]["where"] is None


def test_explanations_and_comparisons_are_as_documented(asha_results: Results, pbt_results: Results) -> None:
    """Explanations and comparisons have exactly the documented keys with values of the documented types."""
    *_, of_explanation, of_stopping, _simulation, _seed, of_comparison, _check, _submission, _provenance = documented()
    explanation = explanation_object(explained(asha_results))
    comparison = comparison_object(compared({"a": asha_results, "b": pbt_results}))
    stopped = explanation["stopping"]
    for reported, wanted in ((explanation, of_explanation), (stopped, of_stopping), (comparison, of_comparison)):
        assert set(reported) == set(wanted)
        assert all(isinstance(reported[key], kinds) for key, kinds in wanted.items())


def test_the_parts_of_lists_are_documented(asha_results: Results, pbt_results: Results) -> None:
    """Doubts, members and pairs of studies have the documented keys, and so has a simulated study."""
    text = DOCUMENT.read_text(encoding="utf-8")
    comparison = comparison_object(compared({"a": asha_results, "b": pbt_results}))
    doubts = {"trial_id", "epoch", "value", "missing", "gained_as_much"}
    assert set(re.findall(r"`doubts\[\]\.(\w+)`", text)) == doubts
    assert all(set(doubt) == doubts for doubt in explanation_object(explained(asha_results))["stopping"]["doubts"])
    of_study = {"name", "location", "state", "trials", "epochs", "seconds"}
    for name, others in (("studies", of_study), ("differences", {"studies"})):
        found = comparison[name]
        assert found
        for each in found:
            assert set(each) == set(re.findall(rf"^\| `{name}\[\]\.(\w+)`", text, re.MULTILINE)) | others
    *_, of_seed, _comparison, _check, _submission, _provenance = documented()
    assert set(of_seed) == {field.name for field in fields(SeedResult)} - {"front"} | {"hypervolume"}


def test_every_column_of_trials_is_documented() -> None:
    """The documentation of a trial's object has every column of `trials` except the study, and a nested config."""
    assert set(documented()[1]) == {column.name for column in TRIALS} - {"study"} | {"config"}


def test_the_object_tells_what_the_results_hold(asha_results: Results) -> None:
    """The object of a study has the same state, objective, best value and winner as the results."""
    reported, best = results_object(asha_results), asha_results.best

    assert best is not None
    assert reported["study"] == "mnist-asha"
    assert reported["state"] == "finished"
    assert reported["objective"] == {"metric": "val_accuracy", "mode": "max"}
    assert reported["best"] == {
        "trial_id": best.trial_id,
        "value": best.value,
        "epoch": best.epoch,
        "config": best.config,
    }
    winner = next(trial for trial in reported["trials"] if trial["trial_id"] == best.trial_id)
    assert (winner["objective"], winner["best_epoch"], winner["config"]) == (best.value, best.epoch, best.config)


def test_values_without_a_finite_number_are_null(asha_results: Results) -> None:
    """A NaN at the last epoch, a value that was never reached and a missing parent are null."""
    trials = {trial["trial_id"]: trial for trial in results_object(asha_results)["trials"]}

    assert trials["0009"]["last_objective"] is None
    assert (trials["0004"]["objective"], trials["0004"]["best_epoch"], trials["0004"]["epochs"]) == (None, None, 0)
    assert trials["0001"]["parent"] is None
    assert trials["0001"]["error"] is None


def test_a_config_has_its_values_as_drawn(domains_results: Results) -> None:
    """Booleans, numbers, text and constants keep their types in the object."""
    config = results_object(domains_results)["trials"][0]["config"]

    assert config["fixed"] == "relu"
    assert isinstance(config["flag"], bool)
    assert isinstance(config["layers"], int)
    assert isinstance(config["rate"], float)
    mixed = {trial["config"]["mix"] for trial in results_object(domains_results)["trials"]}
    assert {0.5, "auto", True} >= mixed
    assert 0.5 in mixed
