"""Why a study went as it did, as a person reads it on a terminal."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.legible import legible
from pipeline.results.analysis.explanation import (
    Explanation,
    best_range,
    branch,
    grace_period,
    of_agreements,
    of_importance,
    of_stopping,
)
from pipeline.results.analysis.importance import Importance
from pipeline.results.captions import of_lineage, of_time

__all__ = ["explanation_view"]

_PAIRS = 3
_LEAST = 0.005


def explanation_view(explanation: Explanation) -> RenderableType:
    """The explanation for a terminal: each number with its uncertainty, or why there is none."""
    results = explanation.results
    parts: list[RenderableType] = [Text(legible(results.name), style="bold")]
    for importance in explanation.importances:
        where = branch(importance)
        parts += _section(f"What mattered{f' where {where}' if where else ''}", of_importance(importance))
        if importance.effects:
            parts.append(Padding(_shares(importance, results.objective.mode), (0, 0, 0, 2), expand=False))
    if explanation.exploits:
        parts.append(Text("  Weights were taken over, so a config answers for its own epochs only.", style="dim"))
    grace = grace_period(results)
    parts += _section("What early values said", of_agreements(explanation.agreements, grace))
    if explanation.agreements:
        parts.append(Padding(_agreements(explanation), (0, 0, 0, 2), expand=False))
    parts += _section("What early stopping did", of_stopping(explanation.stopping))
    if explanation.exploits:
        parts += _section("Whose weights", of_lineage(results))
    if len(results.epochs):
        parts += _section("Where the time went", of_time(results))
    if explanation.causes:
        told = "; ".join(f"{len(cause.trials)} × {cause.what}" for cause in explanation.causes)
        parts += _section("Why trials failed", told)
    return Group(*parts)


def _section(title: str, told: str) -> list[RenderableType]:
    return [Text(f"\n{legible(title)}", style="bold"), Padding(Text(legible(told)), (0, 0, 0, 2))]


def _shares(importance: Importance, mode: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("hyperparameter", "share", "90% interval", "best at"):
        table.add_column(name, justify="right" if name in ("share", "90% interval") else "left")
    for effect in importance.effects:
        table.add_row(
            Text(legible(effect.place.name)), f"{effect.share:.0%}", f"{effect.low:.0%} to {effect.high:.0%}",
            # Of one that may do nothing at all, the best value is chance.
            Text(legible(best_range(effect, mode)) if effect.low >= _LEAST else "–"),
        )  # fmt: skip
    for pair in importance.pairs[:_PAIRS]:
        if pair.share >= _LEAST:
            names = " × ".join(pair.names)
            table.add_row(Text(legible(names)), f"{pair.share:.0%}", f"{pair.low:.0%} to {pair.high:.0%}", "")
    return table


def _agreements(explanation: Explanation) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("epoch", "rank correlation", "90% interval", "the best was"):
        table.add_column(name, justify="right")
    for one in explanation.agreements:
        place = f"{one.place} of {one.among}" if one.place is not None else "–"
        span = f"{one.low:+.2f} to {one.high:+.2f}".replace("-", "−")
        table.add_row(str(one.epoch), f"{one.correlation:+.2f}".replace("-", "−"), span, place)
    return table
