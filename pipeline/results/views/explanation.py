"""What `explain` answers: for each question a table and a sentence, for terminal, report and page."""

from typing import Any

from pipeline.results.analysis.importance import Importance, importances
from pipeline.results.analysis.queries import ancestry, effort, exploits, trial_counts
from pipeline.results.tables.load import Results
from pipeline.results.views.table import Column, Table
from pipeline.study.files import as_argument
from pipeline.text import counted, duration, format_number, percent

_USUAL = 64
"""Of samples of so many trials of the studies of `make bench-answers`, 91% have a result; of 32 trials, 63%."""


def interval(text: Any = format_number) -> Any:
    """How a 90% interval, a pair, is written; a dash for none."""
    return lambda ends: "–" if not ends or ends[0] is None else f"{text(ends[0])} to {text(ends[1])}"


def explanation_tables(results: Results) -> list[Table]:
    """The explanation of a study; questions without an answer are left out."""
    tables = [importance_table(results, one) for one in importances(results)]
    tables += [stopping_table(results), lineage_table(results), time_table(results)]
    return [table for table in tables if table.rows or table.note]


def importance_table(results: Results, importance: Importance) -> Table:
    """What each hyperparameter accounts for, and each pair beyond that, or why that is not known."""
    columns = [
        Column("hyperparameters", "hyperparameter", " × ".join, keep="whole"),
        Column("share", text=percent, right=True, keep="whole"),
        Column("interval", "90% interval", interval(percent), right=True, keep="whole"),
        Column("best", "best at", keep="whole"),
    ]
    rows = [
        {"hyperparameters": list(one.names), "share": one.share, "interval": [one.low, one.high], "best": one.best}
        for one in (*importance.effects, *importance.pairs)
    ]
    clipped = f"; {counted(importance.clipped, 'extreme value')} clipped" if importance.clipped else ""
    used = f", {importance.used} of them used" if importance.used < importance.trials else ""
    used += (
        "" if importance.epoch is None else f", compared at epoch {importance.epoch}, which nine in ten have trained"
    )
    note = importance.note or (
        f"From {counted(importance.trials, 'trial')}{used}{clipped}; a random forest predicts "
        f"{percent(importance.r_squared)} of the objective's variance for trials that it has not seen (90% interval "
        f"{percent(importance.low)} to {percent(importance.high)})."
    )
    if importance.note and results.job["budget"]["trials"] < _USUAL:
        study = as_argument(results.location)
        note += f" Usually {_USUAL} trials are enough: `tunepipe resume {study} --trials {_USUAL}` trains more."
    facts = {
        "when": dict(importance.when), "trials": importance.trials, "used": importance.used, "epoch": importance.epoch,
        "r_squared": importance.r_squared, "r_squared_interval": [importance.low, importance.high],
        "clipped": importance.clipped,
    }  # fmt: skip
    conditions = " and ".join(f"{switch} is {branch}" for switch, branch in importance.when)
    title = f"What mattered where {conditions}" if conditions else "What mattered"
    return Table(title, columns, rows, note, "importance", facts)


def stopping_table(results: Results) -> Table:
    """What early stopping saved."""
    counts = trial_counts(results)
    stopped, seconds = counts.stopped["comparison"], counts.saved_seconds
    row = {"stopped": stopped, "saved_epochs": counts.saved, "whole_epochs": counts.whole, "saved_seconds": seconds}
    note = "No trial was stopped by comparison with others."
    if stopped:
        note = f"{counted(stopped, 'stopped trial')} saved {counted(counts.saved, 'epoch')} of {counts.whole:,}"
        note += f", about {duration(seconds)} of training on one worker." if seconds else "."
    return Table("What early stopping did", [], [row], note, "stopping")


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
    note = f"Copies of another trial's weights: {copies}. The best model is the work of these trials."
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
    note = (
        f"All workers together ran for {duration(whole)}. They were idle while their libraries started, and while "
        "no trial was left for them: more or longer trials, or fewer workers, lower that share."
    )
    return Table("Where the time went", columns, rows, note if whole else "", "time")
