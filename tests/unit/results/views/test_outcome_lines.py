"""The outcome of a study in labelled lines."""

from dataclasses import replace

from pipeline.results import Results
from pipeline.results.views.outcome_lines import outcome_lines
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.wording import format_number


def test_each_line_has_a_label_and_one_line_of_text(asha_results: Results) -> None:
    """The best value, its config, what it scored on the test split and the folder are lines, if they are known."""
    assert asha_results.best is not None
    store = Store(asha_results.location)
    lines = dict(outcome_lines(asha_results, store))
    assert list(lines) == ["best", "config", "study"]
    assert format_number(asha_results.best.value) in lines["best"]
    assert lines["study"] == asha_results.location
    tested = dict(outcome_lines(replace(asha_results, test={"test_loss": 0.25, "test_accuracy": 0.5}), store))
    assert tested["test"] == "test_loss 0.25  test_accuracy 0.5"
    assert all("\n" not in text and len(label) < 8 for label, text in tested.items())


def test_the_folder_of_the_export_and_its_failure_are_lines(asha_results: Results, tmp_path) -> None:
    """An exported winner has a line with its folder, and one whose export failed a line with the reason."""
    store = Store(tmp_path)
    store.write(layout.WINNER, "{}")
    assert dict(outcome_lines(asha_results, store))["export"] == str(tmp_path / layout.EXPORT)
    failed = replace(asha_results, sessions=[{**asha_results.sessions[-1], "winner_failure": "ModelError: no."}])
    assert "test split: ModelError: no." in dict(outcome_lines(failed, store))["failed"]
