"""One trial of a study: its row, and what a person reads about it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.errors import JobNotFound
from pipeline.legible import legible
from pipeline.results.failures import first_line
from pipeline.results.leaderboard import configs_at_best
from pipeline.results.load import Results, configs_of
from pipeline.results.numbers import format_number, format_value
from pipeline.results.states import STATES
from pipeline.results.summary import counted, duration
from pipeline.storage.schema import SECONDS, metric_column, metric_columns

__all__ = ["trial_row", "trial_view"]

_SHOWN = 12
"""More ids than these are told by the first and the last."""


def trial_row(results: Results, trial_id: str) -> Mapping[Any, Any]:
    """A trial's row of the table `trials`.

    Raises:
        JobNotFound: There is no such trial; names those there are.
    """
    found = results.trials[results.trials["trial_id"] == trial_id].to_dict("records")
    if found:
        return found[0]
    ids = [str(known) for known in results.trials["trial_id"]]
    listed = ", ".join(ids) if len(ids) <= _SHOWN else f"{len(ids)}, from {ids[0]} to {ids[-1]}"
    there = f"There are {listed}" if len(ids) > 1 else f"There is {ids[0]}" if ids else "There is none yet"
    raise JobNotFound(
        f"The study {results.name!r} has no trial {trial_id!r}. {there}; `tunepipe results` shows the best of them."
    )


def trial_view(results: Results, trial_id: str) -> RenderableType:
    """A trial as a person reads it: how it stands, its config, its epochs, what was decided and why.

    Raises:
        JobNotFound: There is no such trial.
    """
    row = trial_row(results, trial_id)
    epochs = results.epochs[results.epochs["trial_id"] == trial_id]
    decisions = results.decisions[results.decisions["trial_id"] == trial_id]
    parts: list[RenderableType] = [_head(results, row), Text()]
    parts.append(_facts(results, trial_id, row))
    if epochs["segment"].nunique() > 1:
        parts += [Text("\nsegments", style="bold"), _indented(_segments(results, epochs, decisions))]
    if len(epochs):
        parts += [Text("\nepochs", style="bold"), _indented(_epochs(results, epochs))]
    if len(decisions):
        parts += [Text("\ndecisions", style="bold"), _indented(_decisions(decisions))]
    return Group(*parts)


def _head(results: Results, row: Mapping[Any, Any]) -> Text:
    state = str(row["state"])
    told = f"{counted(int(row['epochs']), 'epoch')} in {duration(float(row['seconds']))}"
    look = STATES[state].colour if state in STATES else ""
    return Text.assemble(
        (legible(f"{results.name}  trial {row['trial_id']}"), "bold"), "  ", (state, look), f", {told}"
    )


def _facts(results: Results, trial_id: str, row: Mapping[Any, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    known = row["objective"] == row["objective"]
    if known:
        value = f"{results.objective.metric} {format_number(row['objective'])} at epoch {row['best_epoch']}"
        grid.add_row("best", Text(legible(value)))
    config = configs_at_best(results)[trial_id]
    if config:
        changed = known and results.epochs.loc[results.epochs["trial_id"] == trial_id, "segment"].nunique() > 1
        grid.add_row(
            f"config at epoch {row['best_epoch']}" if changed else "config",
            Text(legible("  ".join(f"{name}={format_value(value)}" for name, value in config.items()))),
        )
    if row["attempts"] > 1:
        grid.add_row("attempts", str(row["attempts"]))
    if isinstance(row["parent"], str) and row["parent"]:
        grid.add_row("weights of", f"trial {row['parent']}")
    if isinstance(row["checkpoint"], str) and row["checkpoint"]:
        grid.add_row("checkpoint", Text(legible(row["checkpoint"])))
    return grid


def _segments(results: Results, epochs: pd.DataFrame, decisions: pd.DataFrame) -> Table:
    """Under which config the trial trained from when on, and with whose weights."""
    first = epochs.drop_duplicates("segment")
    configs = configs_of(first, results.space)
    drawn = [name for name, domain in results.space.items() if hasattr(domain, "draw")]
    taken = decisions[decisions["kind"] == "exploit"].set_index("epoch")
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("from epoch", justify="right")
    table.add_column("weights of")
    for name in drawn:
        table.add_column(Text(legible(name)), justify="right")
    for epoch, config in zip(first["epoch"].tolist(), configs, strict=True):
        donor = taken.loc[[epoch - 1]].iloc[-1] if epoch - 1 in taken.index else None
        whose = "its own" if donor is None else f"trial {donor['parent_trial']} at epoch {donor['parent_epoch']}"
        cells = [format_value(config[name]) if name in config else "–" for name in drawn]
        table.add_row(str(epoch), Text(legible(whose)), *map(Text, cells))
    return table


def _epochs(results: Results, epochs: pd.DataFrame) -> Table:
    metrics = metric_columns(epochs.columns)
    first = metric_column(results.objective.metric)
    # The objective stands first: it is what the trial is judged by.
    metrics = [name for name in [first, *(name for name in metrics if name != first)] if name in epochs]
    shown = [name for name in metrics if epochs[name].notna().any()]
    segments = ["segment"] if epochs["segment"].nunique() > 1 else []
    rates = ["learning_rate"] if epochs["learning_rate"].notna().any() else []
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ["epoch", *segments, *shown, *rates, "seconds"]:
        table.add_column(Text(legible(name)), justify="right")
    spent = epochs[[name for name in SECONDS.values() if name in epochs]].sum(axis=1)
    for record, seconds in zip(epochs.to_dict("records"), spent, strict=True):
        numbers = [format_number(float(record[name])) for name in (*shown, *rates)]
        whole = [str(record[name]) for name in ("epoch", *segments)]
        table.add_row(*whole, *numbers, f"{seconds:.2f}")
    return table


def _decisions(decisions: pd.DataFrame) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("epoch", justify="right")
    table.add_column("what")
    table.add_column("why", overflow="fold")
    for row in decisions.to_dict("records"):
        # A failure's reason is the whole error: the command prints it below.
        why = first_line(str(row["reason"]))
        table.add_row(str(row["epoch"]), Text(legible(str(row["kind"]))), Text(legible(why)))
    return table


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 2), expand=False)
