"""Why a study went as it did."""

from typing import Any

from pipeline.page.readings import StudyCache
from pipeline.results.analysis.explanation import Explanation, explained, grace_period
from pipeline.results.analysis.importance import Importance
from pipeline.results.views.sentences import (
    branch,
    of_agreements,
    of_earlier,
    of_importance,
    of_lineage,
    of_stopping,
    of_time,
)
from pipeline.results.views.summary import accepted_changes_in_words
from pipeline.wording import percent

__all__ = ["explanation_content"]


def explanation_content(readings: StudyCache, name: str) -> dict[str, Any]:
    """What the page shows. Takes seconds the first time: forests are fitted.

    Args:
        readings: The studies.
        name: The study's name.

    Raises:
        JobNotFound: There is no such study.
        UserError: It cannot be read.
    """
    explanation = readings.derived(name, "explanation", explained)
    return {
        "name": name,
        "state": explanation.results.state,
        "importances": [_importance(one) for one in explanation.importances],
        "sections": _sections(explanation),
        "causes": explanation.causes,
    }


def _importance(importance: Importance) -> dict[str, Any]:
    where = branch(importance)
    rows = [
        (effect.place.name, effect.share, percent(effect.share), f"{percent(effect.low)} to {percent(effect.high)}",
         effect.best or "–")
        for effect in importance.effects
    ]  # fmt: skip
    rows += [
        (" × ".join(pair.names), pair.share, percent(pair.share), f"{percent(pair.low)} to {percent(pair.high)}", "–")
        for pair in importance.pairs
        if pair.clear
    ]
    return {
        "title": f"What mattered{f' where {where}' if where else ''}",
        "text": of_importance(importance),
        "rows": rows,
    }


def _sections(explanation: Explanation) -> list[tuple[str, str]]:
    results = explanation.results
    changed = accepted_changes_in_words(results)
    sections = [
        *([("What was changed", changed)] if changed else []),
        *([("What earlier studies said", of_earlier(explanation.earlier))] if explanation.earlier else []),
        ("How well early values predict final values", of_agreements(explanation.agreements, grace_period(results))),
        ("What early stopping did", of_stopping(explanation.stopping)),
    ]
    if explanation.exploits:
        sections.append(("Whose weights", of_lineage(results)))
    if len(results.epochs):
        sections.append(("Where the time went", of_time(results)))
    return sections
