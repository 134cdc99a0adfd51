"""A comparison of studies as tables, for a terminal and for a page."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.results.analysis.comparison import MIN_SEEDS, Comparison, Difference, Shared
from pipeline.results.analysis.domains import domain_in_words
from pipeline.results.analysis.early_stopping import MIN_TRIALS
from pipeline.results.analysis.hypervolume import box_of
from pipeline.results.analysis.parameters import by_influence, within_bounds
from pipeline.results.tables.load import Results
from pipeline.results.views.fitted_table import Column, FittedTable
from pipeline.results.views.shown_parameters import of_shown
from pipeline.sanitize import sanitize
from pipeline.wording import counted, duration, format_number, listed

_NAMED = 6
_PAIRS = 28
"""The maximum number of pairs of studies that are all shown: those of eight studies."""
_RANGES = 30
"""The maximum number of hyperparameters whose ranges are shown."""
_DOMAINS = 5
"""The maximum number of hyperparameters whose different domains are shown."""
_EXTRA = ("trials", "epochs", "time")
"""Columns that a narrow terminal leaves out."""


_Pair = TypeVar("_Pair", Difference, Shared)

TitledTable = tuple[str, str, list[str], list[list[str]]]
"""A table as its title, a note (may be empty), the names of its columns and its rows."""


def comparison_view(comparison: Comparison) -> RenderableType:
    """The comparison for a terminal."""
    parts: list[RenderableType] = [
        Text(sanitize(warning), style="bold red") for warning in comparison_warnings(comparison)
    ]
    for title, note, columns, rows in comparison_tables(comparison):
        table = FittedTable([Column(column, keep="extra" if column in _EXTRA else "whole") for column in columns])
        for row in rows:
            table.add_row(*row)
        parts += [Text(sanitize(("\n" if parts else "") + title), style="bold"), table]
        if note:
            parts.append(Text(sanitize(note), style="dim"))
    return Group(*parts)


def comparison_warnings(comparison: Comparison) -> list[str]:
    """Why the studies cannot be compared, in one sentence; an empty list where they can."""
    if not comparison.comparability_problems:
        return []
    return [f"These studies cannot be compared: none is called the best. {' '.join(comparison.comparability_problems)}"]


def studies_of(comparison: Comparison) -> Mapping[str, Results]:
    """The compared studies: results by name."""
    return {member.name: member.results for member in comparison.members}


def comparison_tables(comparison: Comparison) -> list[TitledTable]:
    """The comparison as tables, for a terminal and for a page."""
    tables = [_members(comparison)]
    if comparison.differences:
        tables.append(_differences(comparison))
    if comparison.seeds:
        rows = [[", ".join(one.names), format_number(one.mean), _span(one.low, one.high)] for one in comparison.seeds]
        note = "" if all(one.low is not None for one in comparison.seeds) else f"An interval needs {MIN_SEEDS} seeds."
        tables.append(("Studies that differ only in their seed", note, ["studies", "mean best", "90% interval"], rows))
    names = [member.name for member in comparison.members]
    if comparison.ranges:
        shown = _shown(comparison)
        some = of_shown(comparison.members[0].results, len(shown), len(comparison.ranges))
        note = " ".join(part for part in (some, _other_domains(comparison, shown)) if part)
        ranges = [[name, *comparison.ranges[name]] for name in shown]
        tables.append(("Where the best quarter of the trials lies", note, ["hyperparameter", *names], ranges))
    if comparison.shared:
        tables.append(_shared(comparison))
    return tables


def _members(comparison: Comparison) -> TitledTable:
    metric = comparison.members[0].results.objective.metric
    columns = ["study", f"best {metric}", "trials", "epochs", "time", f"after {counted(comparison.level, 'epoch')}"]
    columns += [f"expected of {counted(comparison.draws, 'trial')}", "90% interval"] if comparison.draws else []
    box = box_of([member.results for member in comparison.members])
    columns += ["hypervolume"] if box is not None else []
    rows = []
    for member in comparison.members:
        results = member.results
        row = [member.name, _number(member.best), str(len(results.trials)), str(len(results.epochs))]
        row += [duration(results.seconds), _number(member.level)]
        row += [_number(member.expected), _span(member.low, member.high)] if comparison.draws else []
        share = "–" if member.hypervolume is None else f"{member.hypervolume:.1%}"
        rows.append(row + ([share] if box is not None else []))
    notes = [note for note in (_too_few(comparison), _nothing_shared(comparison)) if note]
    if box is not None:
        corner = listed(f"{metric} {format_number(value)}" for metric, value in box.reference.items())
        notes.append(
            f"Hypervolume is the dominated share of the box up to the reference point {corner}, a tenth of the range "
            "beyond the worst of the studies' common front."
        )
    return "Studies", " ".join(notes), columns, rows


def _too_few(comparison: Comparison) -> str:
    """Why there is no interval and no difference of some studies; empty if each has them."""
    few = [member for member in comparison.members if member.expected is None]
    if not few:
        return ""
    found = listed([f"{member.name} has {len(within_bounds(member.results))}" for member in few])
    bounded = any(objective.bounded for member in few for objective in member.results.objectives)
    return (
        f"Too few trials with a value{' within the bounds' if bounded else ''} for an interval, and to say which study "
        f"is better: {found}; at least {MIN_TRIALS} are needed."
    )


def _nothing_shared(comparison: Comparison) -> str:
    return "" if comparison.shared else "No config was tried in more than one study."


def _with_best(comparison: Comparison, pairs: Sequence[_Pair]) -> tuple[Sequence[_Pair], str]:
    """The pairs that are shown, all or of very many those of one study, the same in each table, and a sentence on them.

    It is the best study that each table of very many pairs has: one with too few trials has no differences.
    """
    if len(pairs) <= _PAIRS:
        return pairs, ""
    tables: list[Sequence[Difference] | Sequence[Shared]] = [comparison.differences, comparison.shared]
    named = [{name for pair in each for name in pair.names} for each in tables if len(each) > _PAIRS]
    order = _best_first(comparison)
    shown = next((name for name in order if all(name in each for each in named)), pairs[0].names[0])
    if comparison.comparability_problems:
        which = ""
    elif shown == order[0]:
        which = ", which has the best value"
    else:
        which = f", the best of those that have such pairs in each table; {order[0]} has the best value"
    note = f"Of {len(pairs):,} pairs of studies, those of {shown} are shown{which}; --json has all."
    return [pair for pair in pairs if shown in pair.names], note


def _best_first(comparison: Comparison) -> list[str]:
    """The studies, that with the best value first; those without a trial within the bounds, then without a value, last.

    Studies that cannot be compared keep their order.
    """
    names = [member.name for member in comparison.members]
    if comparison.comparability_problems:
        return names
    sign = -1.0 if comparison.members[0].results.objective.mode == "max" else 1.0
    places = {
        member.name: (member.best is None, within_bounds(member.results).empty, sign * (member.best or 0.0))
        for member in comparison.members
    }
    return sorted(names, key=lambda name: places[name])


def _differences(comparison: Comparison) -> TitledTable:
    rows = []
    shown, some = _with_best(comparison, comparison.differences)
    for one in shown:
        verdict = "yes" if one.low > 0 else "the other" if one.high < 0 else "undetermined"
        names, difference = f"{one.names[0]} over {one.names[1]}", format_number(one.ahead)
        rows.append([names, difference, _span(one.low, one.high), f"{one.share:.0%}", verdict])
    note = (
        f"The difference of the expected best of {counted(comparison.draws, 'trial')}, from resampled trials: above 0 "
        "the first is better. Trials that were stopped early count with the value that they reached. Trials of a "
        "searcher that learns are not independent, and a study has only one seed, so the true difference may lie "
        f"outside of the interval.{f' {some}' if some else ''}"
    )
    return "Is the first better?", note, ["", "difference", "90% interval", "of resamples", "better"], rows


def _shared(comparison: Comparison) -> TitledTable:
    rows = []
    shown, some = _with_best(comparison, comparison.shared)
    for one in shown:
        named = ", ".join("/".join(dict.fromkeys(pair)) for pair in one.good[:_NAMED])
        more = f" and {len(one.good) - _NAMED} more" if len(one.good) > _NAMED else ""
        rho = "–" if one.correlation is None else f"{one.correlation:+.2f}".replace("-", "−")
        rows.append([" and ".join(one.names), str(one.count), rho, (named or "none") + more])
    columns = ["studies", "configs in common", "rank correlation", "in the best quarter of both (trials)"]
    missing = [one for one in shown if one.correlation is None]
    reasons = {
        f"A rank correlation needs {MIN_TRIALS} configs in common.": any(one.count < MIN_TRIALS for one in missing),
        "A rank correlation needs values that differ.": any(one.count >= MIN_TRIALS for one in missing),
    }
    note = " ".join([*(reason for reason, holds in reasons.items() if holds), *([some] if some else [])])
    return "Configs that both have tried", note, columns, rows


def _shown(comparison: Comparison) -> list[str]:
    """The hyperparameters that have a row: all, or the most influential ones of one of the studies."""
    names = list(comparison.ranges)
    if len(names) <= _RANGES:
        return names
    orders = [by_influence(member.results) for member in comparison.members]
    first = [name for ranked in zip_longest(*orders) for name in ranked if name is not None]
    return list(dict.fromkeys(first))[:_RANGES]


def _other_domains(comparison: Comparison, names: Sequence[str]) -> str:
    """Which hyperparameters the studies draw from different domains; empty if none of them."""
    parts = []
    for name in names:
        studies: dict[str, list[str]] = {}
        for member in comparison.members:
            if name in (space := member.results.space):
                studies.setdefault(domain_in_words(space[name]), []).append(member.name)
        if len(studies) > 1:
            parts.append(f"{name}: " + "; ".join(f"{words} ({listed(found)})" for words, found in studies.items()))
    left = len(parts) - _DOMAINS
    more = f" So do those of {counted(left, 'other hyperparameter')}." if left > 0 else ""
    return f"Domains differ. {'. '.join(parts[:_DOMAINS])}.{more}" if parts else ""


def _number(value: float | None) -> str:
    return "–" if value is None else format_number(value)


def _span(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{format_number(low)} to {format_number(high)}"
