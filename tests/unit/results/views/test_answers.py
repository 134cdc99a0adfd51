"""The questions of an explanation, with their answers."""

from dataclasses import replace

import numpy as np

from pipeline.results import Results
from pipeline.results.analysis import Explanation, explained
from pipeline.results.analysis.shares import Pair
from pipeline.results.views.answers import PREDICTED, answers, importance_title, prediction_rows, share_rows


def test_answers_follow_the_order_of_the_questions(asha_results: Results, pbt_results: Results) -> None:
    """Answers are in the order of the questions, and the one on weights exists only if trials took weights over."""
    assert list(answers(explained(asha_results))) == [
        "How well early values predict final values",
        "What early stopping did",
        "Where the time went",
    ]
    population = answers(explained(pbt_results))
    assert list(population)[-2:] == ["Copied weights", "Where the time went"]
    assert population["Copied weights"].startswith("Trials copied weights 8 times; ")


def test_a_study_without_epochs_has_no_answer_about_time(asha_results: Results) -> None:
    """The explanation of a study without epochs has no answer about time."""
    explanation = explained(asha_results)
    empty = replace(explanation, results=replace(asha_results, epochs=asha_results.epochs.head(0)))
    assert "Where the time went" not in answers(empty)


def test_a_branch_is_named_in_its_title(known: Explanation) -> None:
    """The title of a branch's importances names the values of the switches that select the branch."""
    whole = known.importances[0]
    assert importance_title(whole) == "What mattered"
    branch = replace(whole, when=(("optimizer", "adam"), ("decay", "cosine")))
    assert importance_title(branch) == "What mattered where optimizer is adam and decay is cosine"


def test_shares_have_their_intervals_and_only_clear_pairs_are_shown(known: Explanation) -> None:
    """Each hyperparameter has a row with its interval, and only pairs with a share above zero follow."""
    importance = known.importances[0]
    effect = replace(importance.effects[0], share=0.5, low=0.4, high=0.6, best=None)
    pairs = [Pair(("a", "b"), share, 0.05, 0.2, share) for share in (0.1, 0.0, 0.12)]
    changed = replace(importance, effects=[effect], pairs=pairs)
    rows = [(effect.parameter.name, 0.5, "50%", "40% to 60%", "–"), ("a × b", 0.1, "10%", "5% to 20%", "")]
    assert share_rows(changed, most_pairs=2) == rows
    assert share_rows(changed) == [*rows, ("a × b", 0.12, "12%", "5% to 20%", "")]


def test_a_predicted_hyperparameter_has_its_best_and_worst_value(predicted: Explanation) -> None:
    """Each predicted hyperparameter has a row with its best value, the interval there and the worst value."""
    lr, kind, _ = predicted.predictions
    kind = replace(
        kind,
        parameter=replace(kind.parameter, when=(("net", "deep"), ("norm", "on"))),
        medians=np.array([0.5, 0.7, 0.6]),
        lows=np.array([0.4, 0.6, 0.5]),
        highs=np.array([0.6, 0.8, 0.7]),
    )
    rows = prediction_rows([lr, kind])
    assert rows[0].name == "lr"
    assert rows[1] == ("kind (net is deep and norm is on)", "b", "0.7", "0.6 to 0.8", "0.5 at a")
    assert PREDICTED in answers(predicted)


def test_of_many_predictions_those_that_differ_most_have_a_row(predicted: Explanation) -> None:
    """Of more than 16 predicted hyperparameters those with the largest differences have rows; the text says so."""
    lr, kind, _ = predicted.predictions
    many = [*[replace(kind, medians=np.full(3, 0.5))] * 16, lr]
    rows = prediction_rows(many)
    assert (len(rows), rows[0].name) == (16, "lr")
    assert "Of 17 hyperparameters, the 16" in answers(replace(predicted, predictions=many))[PREDICTED]
