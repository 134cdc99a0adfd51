"""What `explain` and `compare` answer: for each question a table and a sentence, for terminal, report and page."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pipeline.results.analysis.comparison import MIN_SEEDS, Comparison
from pipeline.results.analysis.early_stopping import MIN_TRIALS, agreements, stopping
from pipeline.results.analysis.importance import MIN_SHARE, Importance, importances
from pipeline.results.analysis.parameters import (
    best_quarter,
    by_influence,
    domain_in_words,
    of_shown,
    scored,
    span_in_words,
    tuned,
)
from pipeline.results.analysis.queries import PHASES, ancestry, changes, effort, exploits
from pipeline.results.tables.load import Results
from pipeline.results.views.study import failures_table, number
from pipeline.results.views.table import Column, Table
from pipeline.text import counted, duration, format_number, listed, percent, percent_interval

_NAMED, _PAIRS, _RANGES, _DOUBTS = 6, 28, 30, 8


def interval(text: Any = format_number) -> Any:
    """How a 90% interval, a pair, is written; a dash for none."""
    return lambda ends: "–" if not ends or ends[0] is None else f"{text(ends[0])} to {text(ends[1])}"


def signed(value: float | None) -> str:
    """A correlation with its sign; a dash for none."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def explanation_tables(results: Results) -> list[Table]:
    """The explanation of a study; questions without an answer are left out."""
    tables = [changes_table(results), *map(importance_table, importances(results)), early_table(results)]
    tables += [stopping_table(results), lineage_table(results), time_table(results)]
    tables.append(failures_table(results))
    return [table for table in tables if table.rows or table.note]


def changes_table(results: Results) -> Table:
    """Where values cannot be compared, because data or code were changed meanwhile."""
    found = changes(results)
    columns = [
        Column("session", right=True),
        Column("kind", "changed"),
        Column("changes", "how", "; ".join, keep="wrapped"),
        Column("trials_before", "trained before", _some, keep="wrapped"),
        Column("trials_since", "trained since", _some, keep="wrapped"),
    ]
    note = "Values before and after a change cannot be compared." if found else ""
    return Table("What was changed", columns, found, note, "changes")


def where_clause(importance: Importance) -> str:
    """Which trials are meant, as the end of a title: " where optimizer is adam"; empty for all."""
    conditions = " and ".join(f"{switch} is {branch}" for switch, branch in importance.when)
    return f" where {conditions}" if conditions else ""


def importance_table(importance: Importance) -> Table:
    """What each hyperparameter accounts for, and each pair beyond that, or why that is not known."""
    columns = [
        Column("hyperparameters", "hyperparameter", " × ".join, keep="whole"),
        Column("share", text=percent, right=True, keep="whole"),
        Column("interval", "90% interval", interval(percent), right=True, keep="whole"),
        Column("best", "best at", keep="whole"),
    ]
    rows: list[dict[str, Any]] = [
        {"hyperparameters": [one.parameter.name], "share": one.share, "interval": [one.low, one.high], "best": one.best}
        for one in importance.effects
    ]
    rows += [
        {"hyperparameters": list(pair.names), "share": pair.share, "interval": [pair.low, pair.high]}
        for pair in importance.pairs
        if pair.share >= MIN_SHARE
    ]
    clipped = f"; {counted(importance.clipped, 'extreme value')} clipped" if importance.clipped else ""
    left_out = (
        f" The {len(importance.effects)} most influential hyperparameters are shown." if importance.left_out else ""
    )
    used = f", {importance.used} of them used" if importance.used < importance.trials else ""
    note = importance.note or (
        f"From {counted(importance.trials, 'trial')}{used}{clipped}; a random forest predicts "
        f"{percent(importance.r_squared)} of the objective's variance for trials that it has not seen (90% interval "
        f"{percent_interval(importance.low, importance.high)}).{left_out}"
    )
    facts = {
        "when": dict(importance.when), "trials": importance.trials, "used": importance.used,
        "r_squared": importance.r_squared, "r_squared_interval": [importance.low, importance.high],
        "clipped": importance.clipped, "left_out": importance.left_out,
        "curves": {
            one.parameter.name: [
                {"value": value, "mean": mean, "interval": [low, high]}
                for value, mean, low, high in zip(
                    one.values, one.means.tolist(), one.means_low.tolist(), one.means_high.tolist(), strict=True)
            ]
            for one in importance.effects
        },
    }  # fmt: skip
    return Table(f"What mattered{where_clause(importance)}", columns, rows, note, "importance", facts)


def early_table(results: Results) -> Table:
    """How well early values predict final ones."""
    found, grace = agreements(results).to_pylist(), results.job["scheduler"].get("grace_period")
    columns = [
        Column("epoch", right=True, keep="whole"),
        Column("correlation", "rank correlation", signed, right=True, keep="whole"),
        Column("interval", "90% interval", interval(signed), right=True, keep="whole"),
        Column("place_of_best", "the best's rank", right=True, keep="whole"),
        Column("among", right=True, keep="whole"),
        Column("trials", "fully trained", right=True, keep="extra"),
    ]
    rows = [{**one, "interval": [one["low"], one["high"]]} for one in found]
    unreliable = [place for place, one in enumerate(found) if one["low"] < 0.5]
    sure = next(iter(found[max(unreliable, default=-1) + 1 :]), None)
    if int(results.job["budget"]["epochs"]) == 1:
        note = "A trial has one epoch, so there are no early values."
    elif not found:
        note = f"Too few trials are fully trained to say: {MIN_TRIALS} are needed."
    elif sure is None:
        note = "Up to the last of these epochs, the rank correlation is not reliably 0.5 or more."
    else:
        note = f"From epoch {sure['epoch']} on, the rank correlation is reliably 0.5 or more."
        if isinstance(grace, int) and sure["epoch"] < grace:
            note += f" A grace period of {sure['epoch']} instead of {grace} might have been enough."
    return Table("How well early values predict final values", columns, rows, note, "early")


def stopping_table(results: Results) -> Table:
    """What early stopping saved, and which stops are in doubt."""
    found = stopping(results)
    columns = [
        Column("trial_id", "stopped trial", keep="whole"),
        Column("epoch", "after epoch", right=True, keep="whole"),
        Column("value", results.objective.metric, number, right=True),
        Column("missing", "missing to the best", number, right=True, keep="extra"),
        Column("improved_as_much", "improved as much", right=True, keep="whole"),
        Column("compared_with", "of", right=True, keep="extra"),
    ]
    facts = {
        name: getattr(found, name)
        for name in ("stopped", "saved_epochs", "whole_epochs", "saved_seconds", "compared_with", "chance")
    }
    seconds = f", about {duration(found.saved_seconds)} of training on one worker" if found.saved_seconds else ""
    saved = (
        f"{counted(found.stopped, 'stopped trial')} saved {counted(found.saved_epochs, 'epoch')} of "
        f"{found.whole_epochs:,}{seconds}. "
        if found.stopped
        else ""
    )
    sure = (
        f"None would have become the best by improving as much as any of {found.compared_with} fully trained trials "
        f"did; with 95% confidence, the chance that one would have is at most {percent(found.chance)}."
    )
    some = (
        f"These {len(found.doubts)} would have become the best by improving as much as some fully trained trials did."
    )
    rows = found.doubts
    note = f"{saved}{found.note or (some if rows else sure)}"
    return Table("What early stopping did", columns if rows else [], rows, note, "stopping", facts, _DOUBTS)


def lineage_table(results: Results) -> Table:
    """Whose weights became the best model."""
    copies = exploits(results).num_rows
    if not copies:
        return Table("Copied weights", [], [], name="lineage")
    columns = [
        Column("trial_id", "trial"),
        Column("after", "after epoch", right=True),
        Column("until", "to epoch", right=True),
    ]
    note = f"Trials copied weights {counted(copies, 'time')}, and the best model is the work of these."
    return Table("Copied weights", columns, ancestry(results), note, "lineage", {"copies": copies})


def time_table(results: Results) -> Table:
    """How the workers spent their time."""
    spent = effort(results)
    names = {"build": "building", "train": "training", "evaluate": "evaluating", "checkpoint": "writing checkpoints"}
    phases = {**{names[phase]: spent.phases[phase] for phase in PHASES}, "idle, start-up included": spent.idle}
    whole = sum(phases.values())
    columns = [
        Column("phase", keep="whole"),
        Column("seconds", "time", duration, right=True),
        Column("share", text=percent, right=True),
    ]
    rows = [{"phase": phase, "seconds": each, "share": each / whole} for phase, each in phases.items() if whole]
    together = " in total" if spent.workers > 1 else ""
    note = (
        f"{counted(spent.workers, 'worker')} ran for {duration(whole)}{together}." if whole else "No time was recorded."
    )
    note = note if results.table("epochs").num_rows else ""
    return Table("Where the time went", columns, rows if note else [], note, "time", {"workers": spent.workers})


def comparison_tables(comparison: Comparison) -> list[Table]:
    """A comparison of studies: tables without rows are left out."""
    tables = [_members(comparison), _differences(comparison), _seeds(comparison), _best_quarters(comparison.studies)]
    return [table for table in tables if table.rows]


def comparison_warning(comparison: Comparison) -> str:
    """Why the studies cannot be compared; empty where they can."""
    if not comparison.problems:
        return ""
    return f"These studies cannot be compared: none is called the best. {' '.join(comparison.problems)}"


def _members(comparison: Comparison) -> Table:
    metric, draws = next(iter(comparison.studies.values())).objective.metric, comparison.draws
    columns = [
        Column("study", keep="whole"),
        Column("best", f"best {metric}", number, right=True, keep="whole"),
        Column("trials", right=True, keep="extra"),
        Column("epochs", right=True, keep="extra"),
        Column("seconds", "time", duration, right=True, keep="extra"),
        Column("best_at_level", f"after {counted(comparison.level, 'epoch')}", number, right=True, keep="whole"),
    ]
    if draws:
        expected = f"expected of {counted(draws, 'trial')}"
        columns.append(Column("expected_best", expected, number, right=True, keep="whole"))
        columns.append(Column("interval", "90% interval", interval(), right=True, keep="whole"))
    facts = {"level_epochs": comparison.level, "expected_of_trials": draws, "problems": list(comparison.problems)}
    if comparison.box is not None:
        columns.append(Column("hypervolume", text="{:.1%}".format, right=True, keep="whole"))
        facts["reference"] = dict(comparison.box.reference)
    few = [row["study"] for row in comparison.members if row["expected_best"] is None]
    note = f"{listed(few)}: too few trials within the bounds; an interval needs {MIN_TRIALS}." if few else ""
    return Table("Studies", columns, comparison.members, note, "studies", facts)


def _differences(comparison: Comparison) -> Table:
    columns = [
        Column("studies", "", " over ".join, keep="whole"),
        Column("ahead", "difference", number, right=True, keep="whole"),
        Column("interval", "90% interval", interval(), right=True, keep="whole"),
        Column("share_of_resamples", "of resamples", percent, right=True, keep="extra"),
        Column("better", keep="whole"),
    ]
    note = (
        f"The difference of the expected best of {counted(comparison.draws, 'trial')}, above 0 where the first is "
        "better; it may lie outside of its interval, because a study has one seed."
    )
    return Table("Is the first better?", columns, comparison.differences, note, "differences", most=_PAIRS)


def _seeds(comparison: Comparison) -> Table:
    columns = [
        Column("studies", text=", ".join, keep="whole"),
        Column("mean_best", text=number, right=True, keep="whole"),
        Column("interval", "90% interval", interval(), right=True, keep="whole"),
    ]
    note = "" if all(row["interval"] for row in comparison.seeds) else f"An interval needs {MIN_SEEDS} seeds."
    return Table("Studies that differ only in their seed", columns, comparison.seeds, note, "seeds")


def _best_quarters(studies: Mapping[str, Results]) -> Table:
    """Where the best quarter of the trials lies, by hyperparameter: all, or the most influential ones of each study."""
    every = list(dict.fromkeys(name for results in studies.values() for name in tuned(results)))
    orders = [by_influence(results) for results in studies.values()]
    first = dict.fromkeys(name for ranked in zip_longest(*orders) for name in ranked if name is not None)
    names = every if len(every) <= _RANGES else list(first)[:_RANGES]
    best = {label: best_quarter(results, scored(results)) for label, results in studies.items()}
    columns, rows, differ = [Column("hyperparameter", keep="whole")], [], []
    columns += [Column(label, label, keep="whole") for label in studies]
    for name in names:
        own = {label: results.space[name] for label, results in studies.items() if name in results.space}
        rows.append({
            "hyperparameter": name,
            **{label: span_in_words(domain, best[label].get(name, ())) for label, domain in own.items()},
        })  # fmt: skip
        differ += [name] if len({domain_in_words(domain) for domain in own.values()}) > 1 else []
    note = of_shown(next(iter(studies.values())), len(names), len(every))
    if differ:
        note = f"{note} The studies draw {_some(differ)} from different domains.".strip()
    return Table("Where the best quarter of the trials lies", columns, rows, note, "best_quarters")


def _some(items: Sequence[str]) -> str:
    """The first of many items, and how many more there are."""
    more = [f"and {len(items) - _NAMED} more"] if len(items) > _NAMED else []
    return ", ".join([*items[:_NAMED], *more]) or "none"
