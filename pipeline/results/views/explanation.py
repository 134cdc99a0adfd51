"""What `explain` answers: for each question a table and a sentence, for terminal, report and page."""

from typing import Any

from pipeline.results.analysis.importance import MIN_SHARE, Importance, importances
from pipeline.results.analysis.queries import (
    MIN_TRIALS,
    agreements,
    ancestry,
    effort,
    exploits,
    trial_counts,
)
from pipeline.results.tables.load import Results
from pipeline.results.views.table import Column, Table
from pipeline.text import counted, duration, format_number, percent


def interval(text: Any = format_number) -> Any:
    """How a 90% interval, a pair, is written; a dash for none."""
    return lambda ends: "–" if not ends or ends[0] is None else f"{text(ends[0])} to {text(ends[1])}"


def signed(value: float | None) -> str:
    """A correlation with its sign; a dash for none."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def explanation_tables(results: Results) -> list[Table]:
    """The explanation of a study; questions without an answer are left out."""
    tables = [*map(importance_table, importances(results)), early_table(results), stopping_table(results)]
    tables += [lineage_table(results), time_table(results)]
    return [table for table in tables if table.rows or table.note]


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
    used = f", {importance.used} of them used" if importance.used < importance.trials else ""
    note = importance.note or (
        f"From {counted(importance.trials, 'trial')}{used}{clipped}; a random forest predicts "
        f"{percent(importance.r_squared)} of the objective's variance for trials that it has not seen (90% interval "
        f"{percent(importance.low)} to {percent(importance.high)})."
    )
    facts = {
        "when": dict(importance.when), "trials": importance.trials, "used": importance.used,
        "r_squared": importance.r_squared, "r_squared_interval": [importance.low, importance.high],
        "clipped": importance.clipped,
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
    found, grace = agreements(results), results.job["scheduler"].get("grace_period")
    columns = [
        Column("epoch", right=True, keep="whole"),
        Column("correlation", "rank correlation", signed, right=True, keep="whole"),
        Column("interval", "90% interval", interval(signed), right=True, keep="whole"),
        Column("trials", "fully trained", right=True, keep="whole"),
    ]
    unreliable = [place for place, one in enumerate(found) if one["interval"][0] < 0.5]
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
    return Table("How well early values predict final values", columns, found, note, "early")


def stopping_table(results: Results) -> Table:
    """What early stopping saved."""
    counts = trial_counts(results)
    stopped, seconds = counts.stopped["comparison"], counts.saved_seconds
    facts = {
        "stopped": stopped, "saved_epochs": counts.saved, "whole_epochs": counts.whole, "saved_seconds": seconds,
    }  # fmt: skip
    note = "No trial was stopped by comparison with others."
    if stopped:
        note = f"{counted(stopped, 'stopped trial')} saved {counted(counts.saved, 'epoch')} of {counts.whole:,}"
        note += f", about {duration(seconds)} of training on one worker." if seconds else "."
    return Table("What early stopping did", [], [], note, "stopping", facts)


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
    whole = sum(spent.values())
    columns = [
        Column("phase", keep="whole"),
        Column("seconds", "time", duration, right=True),
        Column("share", text=percent, right=True),
    ]
    rows = [{"phase": phase, "seconds": each, "share": each / whole} for phase, each in spent.items() if whole]
    note = f"All workers together ran for {duration(whole)}." if whole else ""
    return Table("Where the time went", columns, rows, note, "time")
