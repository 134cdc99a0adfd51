"""The questions that an explanation answers, in reading order: the same on a terminal and on the page."""

from typing import NamedTuple

from pipeline.results.analysis.explanation import Explanation, grace_period
from pipeline.results.analysis.importance import Importance
from pipeline.results.views.sentences import of_agreements, of_earlier, of_lineage, of_stopping, of_time, where_clause
from pipeline.results.views.summary import accepted_changes_in_words
from pipeline.wording import percent, percent_interval

__all__ = ["AGREEMENT", "CHANGES", "TIME", "ShareRow", "answers", "importance_title", "share_rows"]

CHANGES = "What was changed"
AGREEMENT = "How well early values predict final values"
TIME = "Where the time went"
"""Titles that pictures have too."""


class ShareRow(NamedTuple):
    """What a hyperparameter, or a pair of them, accounts for.

    Args:
        name: The hyperparameter; two with × between them.
        share: Its share of the objective's variance.
        percentage: The same in percent.
        interval: The share's 90% interval.
        best: The best value in words, a dash if there is none; empty for a pair.
    """

    name: str
    share: float
    percentage: str
    interval: str
    best: str


def answers(explanation: Explanation) -> dict[str, str]:
    """The answer to each question but that of what mattered; questions without an answer are left out.

    Args:
        explanation: An explanation.

    Returns:
        Title → sentences, in reading order.
    """
    results = explanation.results
    optional = {
        CHANGES: accepted_changes_in_words(results),
        "What earlier studies said": of_earlier(explanation.earlier),
        AGREEMENT: of_agreements(explanation.agreements, grace_period(results)),
        "What early stopping did": of_stopping(explanation.stopping),
        "Copied weights": of_lineage(results) if explanation.exploits else "",
        TIME: of_time(results) if len(results.epochs) else "",
    }
    return {title: text for title, text in optional.items() if text}


def importance_title(importance: Importance) -> str:
    """The question of what mattered, with the trials that it is about.

    Args:
        importance: What mattered among some trials.
    """
    return f"What mattered{where_clause(importance)}"


def share_rows(importance: Importance, *, most_pairs: int | None = None) -> list[ShareRow]:
    """What each hyperparameter accounts for, and each pair that surely adds something.

    Args:
        importance: What mattered among some trials.
        most_pairs: How many pairs are considered at most; None for all.
    """
    rows = [
        ShareRow(
            effect.place.name,
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
