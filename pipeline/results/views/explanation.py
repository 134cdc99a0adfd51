"""The explanation of a study for a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.text import Text

from pipeline.results.analysis.explanation import Explanation
from pipeline.results.analysis.failure_causes import Cause
from pipeline.results.analysis.shares import Importance
from pipeline.results.views.answers import (
    AGREEMENT,
    CHANGES,
    PREDICTED,
    answers,
    importance_title,
    prediction_rows,
    share_rows,
)
from pipeline.results.views.fitted_table import Column, FittedTable
from pipeline.results.views.sentences import of_importance
from pipeline.sanitize import sanitize
from pipeline.wording import counted

_PROSE = 118
"""Longer lines are hard to read, on a terminal of any width and in a pipe."""
_PAIRS = 3
_CAUSES = 8
"""The maximum number of errors that are named, the most frequent ones."""


def explanation_view(explanation: Explanation) -> RenderableType:
    """The explanation for a terminal: each number with its uncertainty, or why there is none."""
    parts: list[RenderableType] = [Text(sanitize(explanation.results.name), style="bold")]
    texts = answers(explanation)
    if changed := texts.pop(CHANGES, ""):
        parts += _section(CHANGES, changed)
    for importance in explanation.importances:
        parts += _section(importance_title(importance), of_importance(importance))
        if importance.effects:
            parts.append(Padding(_shares(importance), (0, 0, 0, 2), expand=False))
    if explanation.exploits:
        parts.append(Text("  Trials copied weights, so a config counts for its own epochs only.", style="dim"))
    for title, text in texts.items():
        parts += _section(title, text)
        if title == PREDICTED:
            parts.append(Padding(_predictions(explanation), (0, 0, 0, 2), expand=False))
        if title == AGREEMENT and explanation.agreements:
            parts.append(Padding(_agreements(explanation), (0, 0, 0, 2), expand=False))
    if explanation.causes:
        parts += _section("Why trials failed", _failures(explanation.causes))
    return Group(*parts)


def _section(title: str, text: str) -> list[RenderableType]:
    return [
        Text(f"\n{sanitize(title)}", style="bold"),
        Padding(Constrain(Text(sanitize(text)), _PROSE), (0, 0, 0, 2), expand=False),
    ]


def _failures(causes: Sequence[Cause]) -> str:
    named = [f"{len(cause.trials)} × {cause.what}" for cause in causes[:_CAUSES]]
    if rest := causes[_CAUSES:]:
        named.append(f"{sum(len(cause.trials) for cause in rest)} × {counted(len(rest), 'other error')}")
    return "; ".join(named)


def _shares(importance: Importance) -> FittedTable:
    names = ("hyperparameter", "share", "90% interval", "best at")
    table = FittedTable([Column(name, right=name in names[1:3], keep="whole") for name in names])
    for row in share_rows(importance, most_pairs=_PAIRS):
        table.add_row(row.name, row.percentage, row.interval, row.best)
    return table


def _predictions(explanation: Explanation) -> FittedTable:
    names = ("hyperparameter", "best at", explanation.results.objective.metric, "90% interval", "worst")
    table = FittedTable([Column(name, right=name == names[2], keep="whole") for name in names])
    for row in prediction_rows(explanation.predictions):
        table.add_row(*row)
    return table


def _agreements(explanation: Explanation) -> FittedTable:
    names = ("epoch", "rank correlation", "90% interval", "the best was")
    table = FittedTable([Column(name, right=True, keep="whole") for name in names])
    for one in explanation.agreements:
        place = f"{one.place} of {one.among}" if one.place is not None else "–"
        span = f"{one.low:+.2f} to {one.high:+.2f}".replace("-", "−")
        table.add_row(str(one.epoch), f"{one.correlation:+.2f}".replace("-", "−"), span, place)
    return table
