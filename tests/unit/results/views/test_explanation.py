"""An explanation on a terminal."""

import re
from dataclasses import replace

from pipeline.results import Results
from pipeline.results.analysis import Explanation, explained
from pipeline.results.analysis.failure_causes import Cause
from pipeline.results.views.explanation import explanation_view
from tests.unit.results.small_studies import printed


def test_predictions_are_a_table(predicted: Explanation) -> None:
    """The best value of each hyperparameter by the searcher's model is in a table, with its interval and the worst."""
    reported = printed(explanation_view(predicted)).splitlines()
    start = reported.index("What the searcher's model predicts for the last epoch")
    table = [line.split() for line in reported[start + 2 : start + 9]]
    header = table.index(["hyperparameter", "best", "at", "val_accuracy", "90%", "interval", "worst"])
    assert [row[0] for row in table[header + 1 : header + 4]] == ["lr", "kind", "layers"]


def test_each_question_has_its_answer(asha_results: Results) -> None:
    """The answers of an explanation follow the questions, in lines of at most 118 characters, indented by two."""
    reported = printed(explanation_view(explained(asha_results)))
    titles = [line for line in reported.splitlines() if line and not line.startswith(" ")]
    assert titles == [
        "mnist-asha",
        "What mattered",
        "How well early values predict final values",
        "What early stopping did",
        "Where the time went",
        "Why trials failed",
    ]
    assert all(len(line) <= 120 for line in reported.splitlines())
    assert "1 × ValueError: units: " in reported


def test_rare_errors_are_counted(known: Explanation) -> None:
    """Of many different errors, the eight most frequent are named, and the trials with other ones are counted."""
    causes = [Cause(f"Error {letter}", "", ("0001", "0002"), "") for letter in "abcdefghijk"]
    reported = " ".join(printed(explanation_view(replace(known, causes=causes))).split())
    assert reported.endswith(
        "Why trials failed " + "; ".join(f"2 × Error {letter}" for letter in "abcdefgh") + "; 6 × 3 other errors"
    )


def test_a_population_names_the_origin_of_the_best_weights(pbt_results: Results) -> None:
    """For a population the text names the origin of the best weights and limits what variance shares mean."""
    reported = printed(explanation_view(explained(pbt_results)))
    assert "Copied weights\n  Trials copied weights 8 times; " in reported
    assert "a config counts for its own epochs only" in reported


def test_each_share_has_its_interval_and_its_best_value(known: Explanation) -> None:
    """Each share has an interval and a best value, or a dash if the share may be zero."""
    lines = printed(explanation_view(known)).splitlines()
    for effect in known.importances[0].effects:
        (line,) = [line for line in lines if line.split()[:1] == [effect.parameter.name]]
        assert re.search(r" \d+% +\d+% to \d+% ", line)
        assert line.rstrip().endswith(effect.best or "–")


def test_colours_and_marks_of_a_name_are_text(known: Explanation) -> None:
    """Control characters and markup in a study's name are shown as text."""
    job = {**known.results.job, "name": "\x1b[31m[bold]x"}
    study = {**known.results.study, "job": job}
    reported = printed(explanation_view(replace(known, results=replace(known.results, study=study))))
    assert reported.startswith(r"\x1b[31m[bold]x")
