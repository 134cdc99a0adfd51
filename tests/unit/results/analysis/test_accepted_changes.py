"""Studies that were continued with changed data say so wherever their values are shown."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from pipeline.results import Results
from pipeline.results.analysis import explained
from pipeline.results.analysis.accepted_changes import AcceptedChange, accepted_changes
from pipeline.results.analysis.comparability import comparability_problems
from pipeline.results.report.page import report_page
from pipeline.results.views.explanation import explanation_view
from pipeline.results.views.explanation_object import explanation_object
from pipeline.results.views.results_object import results_object
from pipeline.results.views.summary import accepted_changes_in_words

_CHANGE = "the train inputs have different values, in the same shape"


@pytest.fixture
def changed_code(changed: Results) -> Results:
    """The results of the same study, continued with changed code instead of other data."""
    first, second = changed.sessions
    return replace(
        changed, sessions=[first, {**second, "data_changes": [], "code_changes": ["job.py has different code"]}]
    )


@pytest.fixture
def changed(asha_results: Results) -> Results:
    """The second session trained on other data: one trial continues, another starts."""
    ids = sorted(asha_results.trials["trial_id"])[:3]
    epochs = asha_results.epochs[asha_results.epochs["trial_id"].isin(ids)].copy()
    epochs["session"] = 1
    last = epochs[epochs["trial_id"] == ids[1]].index[-1:]
    epochs.loc[[*last, *epochs[epochs["trial_id"] == ids[2]].index], "session"] = 2
    first = {**asha_results.sessions[0], "number": 1, "data_changes": []}
    sessions = [first, {**first, "number": 2, "data_changes": [_CHANGE]}]
    return replace(
        asha_results,
        epochs=epochs,
        sessions=sessions,
        trials=asha_results.trials[asha_results.trials["trial_id"].isin(ids)],
    )


def test_the_trials_of_each_data_are_named(changed: Results, asha_results: Results) -> None:
    """Trials before and after a change of data, and those with epochs of both, are named only if the data changed."""
    (change,) = accepted_changes(changed)
    assert change.since[-1] == "0002"
    assert change.before[0] == "0000"
    assert accepted_changes(asha_results) == []
    assert accepted_changes_in_words(asha_results) == ""
    assert isinstance(change, AcceptedChange)
    text = accepted_changes_in_words(changed)
    assert text.startswith(f"Session 2 continued the study with changed data: {_CHANGE}. Trained before: 0000")
    assert text.endswith("Values before and after cannot be compared.")


@pytest.mark.usefixtures("no_pictures")
def test_the_report_mentions_changed_data(changed: Results) -> None:
    """The report's summary has a sentence on changed data."""
    assert accepted_changes_in_words(changed) in report_page(changed)


def test_the_explanation_mentions_changed_data(changed: Results, asha_results: Results) -> None:
    """`explain` prints a sentence on changed data and has the sessions in its object, unless the data are the same."""
    explanation = replace(explained(asha_results), results=changed)
    console = Console(width=4000, file=StringIO())
    console.print(explanation_view(explanation))
    assert " ".join(console.file.getvalue().split()).count(accepted_changes_in_words(changed)) == 1  # type: ignore[attr-defined]
    (change,) = explanation_object(explanation)["data_changes"]
    assert (change["session"], change["changes"]) == (2, [_CHANGE])
    assert explanation_object(explained(asha_results))["data_changes"] == []


def test_such_a_study_is_not_ranked_among_others(changed: Results, asha_results: Results) -> None:
    """A study with changed data is not ranked with other studies, because its best value may be of either data."""
    assert comparability_problems({"a": changed, "b": asha_results}) == [
        "a was continued with changed data in session 2."
    ]
    assert comparability_problems({"a": asha_results, "b": asha_results}) == []


@pytest.mark.usefixtures("no_pictures")
def test_changed_code_is_named_like_changed_data(changed_code: Results, asha_results: Results) -> None:
    """Results, report, explanation, both objects and a comparison name accepted changes of the code."""
    (change,) = accepted_changes(changed_code)
    assert (change.kind, change.session, change.before[0]) == ("code", 2, "0000")
    assert accepted_changes(changed_code, "data") == []
    text = accepted_changes_in_words(changed_code)
    assert text.startswith(
        "Session 2 continued the study with changed code: job.py has different code. Trained before: 0000"
    )
    assert text in report_page(changed_code)
    explanation = replace(explained(asha_results), results=changed_code)
    console = Console(width=4000, file=StringIO())
    console.print(explanation_view(explanation))
    assert " ".join(console.file.getvalue().split()).count(text) == 1  # type: ignore[attr-defined]
    for found in (explanation_object(explanation), results_object(changed_code)):
        assert found["data_changes"] == []
        assert [each["changes"] for each in found["code_changes"]] == [["job.py has different code"]]
    assert comparability_problems({"a": changed_code, "b": asha_results}) == [
        "a was continued with changed code in session 2."
    ]


def test_a_sentence_names_the_last_of_many_changes(changed: Results) -> None:
    """If a study was often continued with changed code, the last eight changes are described, and others counted."""
    first, second = changed.sessions
    sessions = [first, *({**second, "number": number} for number in range(2, 14))]
    often = replace(changed, sessions=sessions)
    assert len(accepted_changes(often)) == 12
    text = accepted_changes_in_words(often)
    assert text.startswith("`tunepipe results --json` lists 4 earlier changes of data or code, too. Session 6 ")
    assert text.count("Values before and after cannot be compared.") == 8


def test_an_id_that_is_no_number_is_named_too(changed: Results) -> None:
    """A study lists trials whose ids are not numbers after the others."""
    epochs = changed.epochs.assign(trial_id=changed.epochs["trial_id"].replace({"0001": "abc"}))
    (change,) = accepted_changes(replace(changed, epochs=epochs))
    assert "abc" in (*change.before, *change.since)
