"""Why a study went as it did, as a person reads it on a terminal."""

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.text import Text

from pipeline.results.analysis.explanation import Explanation, grace_period
from pipeline.results.analysis.importance import Importance
from pipeline.results.views.fitted import Column, FittedTable
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
from pipeline.sanitize import sanitize
from pipeline.wording import percent

__all__ = ["explanation_view"]

_PROSE = 118
"""Longer lines are hard to read, on a terminal of any width and in a pipe."""
_PAIRS = 3


def explanation_view(explanation: Explanation) -> RenderableType:
    """The explanation for a terminal: each number with its uncertainty, or why there is none.

    Args:
        explanation: An explanation.
    """
    results = explanation.results
    parts: list[RenderableType] = [Text(sanitize(results.name), style="bold")]
    if changed := accepted_changes_in_words(results):
        parts += _section("What was changed", changed)
    for importance in explanation.importances:
        where = branch(importance)
        parts += _section(f"What mattered{f' where {where}' if where else ''}", of_importance(importance))
        if importance.effects:
            parts.append(Padding(_shares(importance), (0, 0, 0, 2), expand=False))
    if explanation.exploits:
        parts.append(Text("  Weights were taken over, so a config answers for its own epochs only.", style="dim"))
    if explanation.earlier:
        parts += _section("What earlier studies said", of_earlier(explanation.earlier))
    grace = grace_period(results)
    parts += _section("How well early values predict final values", of_agreements(explanation.agreements, grace))
    if explanation.agreements:
        parts.append(Padding(_agreements(explanation), (0, 0, 0, 2), expand=False))
    parts += _section("What early stopping did", of_stopping(explanation.stopping))
    if explanation.exploits:
        parts += _section("Whose weights", of_lineage(results))
    if len(results.epochs):
        parts += _section("Where the time went", of_time(results))
    if explanation.causes:
        text = "; ".join(f"{len(cause.trials)} × {cause.what}" for cause in explanation.causes)
        parts += _section("Why trials failed", text)
    return Group(*parts)


def _section(title: str, text: str) -> list[RenderableType]:
    return [
        Text(f"\n{sanitize(title)}", style="bold"),
        Padding(Constrain(Text(sanitize(text)), _PROSE), (0, 0, 0, 2), expand=False),
    ]


def _shares(importance: Importance) -> FittedTable:
    names = ("hyperparameter", "share", "90% interval", "best at")
    table = FittedTable([Column(name, right=name in names[1:3], keep="whole") for name in names])
    for effect in importance.effects:
        table.add_row(
            effect.place.name, percent(effect.share), f"{percent(effect.low)} to {percent(effect.high)}",
            effect.best or "–",
        )  # fmt: skip
    for pair in importance.pairs[:_PAIRS]:
        if pair.clear:
            both = " × ".join(pair.names)
            table.add_row(both, percent(pair.share), f"{percent(pair.low)} to {percent(pair.high)}", "")
    return table


def _agreements(explanation: Explanation) -> FittedTable:
    names = ("epoch", "rank correlation", "90% interval", "the best was")
    table = FittedTable([Column(name, right=True, keep="whole") for name in names])
    for one in explanation.agreements:
        place = f"{one.place} of {one.among}" if one.place is not None else "–"
        span = f"{one.low:+.2f} to {one.high:+.2f}".replace("-", "−")
        table.add_row(str(one.epoch), f"{one.correlation:+.2f}".replace("-", "−"), span, place)
    return table
