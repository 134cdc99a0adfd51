"""The questions that an explanation answers, in reading order: the same on a terminal and on the page."""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.results.analysis.domains import format_value
from pipeline.results.analysis.explanation import Explanation, grace_period
from pipeline.results.analysis.predictions import Prediction, most_different
from pipeline.results.analysis.shares import Importance
from pipeline.results.views.sentences import (
    MAX_PREDICTIONS,
    conditions_in_words,
    of_agreements,
    of_earlier,
    of_lineage,
    of_predictions,
    of_stopping,
    of_time,
    where_clause,
)
from pipeline.results.views.summary import accepted_changes_in_words
from pipeline.wording import format_number, percent, percent_interval

CHANGES = "What was changed"
PREDICTED = "What the searcher's model predicts for the last epoch"
AGREEMENT = "How well early values predict final values"
TIME = "Where the time went"
"""Titles that pictures have too."""


class ShareRow(NamedTuple):
    """What a hyperparameter, or a pair of them, accounts for."""

    name: str
    share: float
    percentage: str
    interval: str
    best: str


class PredictionRow(NamedTuple):
    """What the searcher's model predicts along a hyperparameter."""

    name: str
    best: str
    median: str
    interval: str
    worst: str


def answers(explanation: Explanation) -> dict[str, str]:
    """The answer to each question but that of what mattered; questions without an answer are left out."""
    results = explanation.results
    optional = {
        CHANGES: accepted_changes_in_words(results),
        PREDICTED: of_predictions(explanation.predictions, results.objective.metric),
        "What earlier studies contributed": of_earlier(explanation.earlier),
        AGREEMENT: of_agreements(explanation.agreements, grace_period(results), epochs=results.job["budget"]["epochs"]),
        "What early stopping did": of_stopping(explanation.stopping),
        "Copied weights": of_lineage(results) if explanation.exploits else "",
        TIME: of_time(explanation.effort) if results.table("epochs").num_rows else "",
    }
    return {title: text for title, text in optional.items() if text}


def importance_title(importance: Importance) -> str:
    """The question of what mattered, with the trials that it is about."""
    return f"What mattered{where_clause(importance)}"


def share_rows(importance: Importance, *, most_pairs: int | None = None) -> list[ShareRow]:
    """What each hyperparameter accounts for, and each pair that surely adds something."""
    rows = [
        ShareRow(
            effect.parameter.name,
            effect.share,
            percent(effect.share),
            percent_interval(effect.low, effect.high),
            effect.best or "–",
        )
        for effect in importance.effects
    ]
    rows += [
        ShareRow(" × ".join(pair.names), pair.share, percent(pair.share), percent_interval(pair.low, pair.high), "")
        for pair in importance.pairs[:most_pairs]
        if pair.clear
    ]
    return rows


def prediction_rows(predictions: Sequence[Prediction]) -> list[PredictionRow]:
    """The best value of each hyperparameter by the searcher's model, with its interval, and the worst one."""
    rows = []
    for one in most_different(predictions, MAX_PREDICTIONS):
        best, worst = one.best, one.worst
        where = conditions_in_words(one.parameter.when)
        rows.append(
            PredictionRow(
                f"{one.parameter.name} ({where})" if where else one.parameter.name,
                format_value(one.values[best]),
                format_number(one.medians[best]),
                f"{format_number(one.lows[best])} to {format_number(one.highs[best])}",
                f"{format_number(one.medians[worst])} at {format_value(one.values[worst])}",
            )
        )
    return rows
