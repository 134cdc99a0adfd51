"""One trial of a study for a terminal."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.results.analysis.domains import format_value
from pipeline.results.analysis.failure_causes import first_line
from pipeline.results.tables.configs import configs_of
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best, trial_row
from pipeline.results.tables.user_files import TrialFiles
from pipeline.results.views.fit_text import fit_text, newest_way, phases_text
from pipeline.results.views.fitted_table import Column, FittedTable
from pipeline.results.views.states import STATES
from pipeline.sanitize import sanitize, sanitize_line
from pipeline.space import drawn_names
from pipeline.storage.schema import SECONDS, metric_column, metric_columns
from pipeline.wording import counted, duration, format_number, size

_FILES = 20


_MORE = "a wider terminal or --json shows them"


def trial_view(results: Results, trial_id: str, files: TrialFiles | None = None) -> RenderableType:
    """A trial for a terminal: its state, config, epochs, decisions with their reasons, and files."""
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
    if files is not None and (files.kept or files.dropped):
        parts += [Text.assemble(("\nfiles", "bold"), f" in {files.folder}"), _indented(_files(files))]
    return Group(*parts)


def _head(results: Results, row: Mapping[Any, Any]) -> Text:
    state = str(row["state"])
    text = f"{counted(int(row['epochs']), 'epoch')} in {duration(float(row['seconds']))}"
    look = STATES[state].colour if state in STATES else ""
    return Text.assemble(
        (sanitize(f"{results.name}  trial {row['trial_id']}"), "bold"), "  ", (state, look), f", {text}"
    )


def _facts(results: Results, trial_id: str, row: Mapping[Any, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    known = row["objective"] == row["objective"]
    if known:
        value = f"{results.objective.metric} {format_number(row['objective'])} at epoch {row['best_epoch']}"
        grid.add_row("best", Text(sanitize(value)))
    config = configs_at_best(results)[trial_id]
    if config:
        changed = known and results.epochs.loc[results.epochs["trial_id"] == trial_id, "segment"].nunique() > 1
        grid.add_row(
            f"config at epoch {row['best_epoch']}" if changed else "config",
            Text(sanitize("  ".join(f"{name}={format_value(value)}" for name, value in config.items()))),
        )
    if how := newest_way(results, trial_id):
        grid.add_row("trained with", Text(sanitize(how)))
    if fit := fit_text(results.job):
        grid.add_row("fit", Text(sanitize(fit)))
    if phases := phases_text(results.job):
        grid.add_row("phases", Text(sanitize(phases)))
    if row["attempts"] > 1:
        grid.add_row("attempts", str(row["attempts"]))
    if isinstance(row["parent"], str) and row["parent"]:
        grid.add_row("weights of", f"trial {row['parent']}")
    if isinstance(row["checkpoint"], str) and row["checkpoint"]:
        grid.add_row("checkpoint", Text(sanitize(row["checkpoint"])))
    return grid


def _segments(results: Results, epochs: pd.DataFrame, decisions: pd.DataFrame) -> FittedTable:
    """Under which config the trial trained from when on, and with whose weights."""
    first = epochs.drop_duplicates("segment")
    configs = configs_of(first, results.space)
    drawn = drawn_names(results.space)
    taken = decisions[decisions["kind"] == "exploit"].set_index("epoch")
    fixed = [Column("from epoch", right=True, keep="whole"), Column("weights of", keep="whole")]
    table = FittedTable([*fixed, *(Column(name, right=True, keep="extra") for name in drawn)], more=_MORE)
    for epoch, config in zip(first["epoch"].tolist(), configs, strict=True):
        donor = taken.loc[[epoch - 1]].iloc[-1] if epoch - 1 in taken.index else None
        whose = "its own" if donor is None else f"trial {donor['parent_trial']} at epoch {donor['parent_epoch']}"
        cells = [format_value(config[name]) if name in config else "–" for name in drawn]
        table.add_row(str(epoch), whose, *cells)
    return table


def _epochs(results: Results, epochs: pd.DataFrame) -> FittedTable:
    metrics = metric_columns(epochs.columns)
    first = metric_column(results.objective.metric)
    # The objective comes first: trials are compared by it.
    metrics = [name for name in [first, *(name for name in metrics if name != first)] if name in epochs]
    shown = [name for name in metrics if epochs[name].notna().any()]
    segments = ["segment"] if epochs["segment"].nunique() > 1 else []
    rates = ["learning_rate"] if epochs["learning_rate"].notna().any() else []
    phases = ["phase"] if "phase" in epochs and epochs["phase"].fillna(0).any() else []
    names = ["epoch", *segments, *phases, *shown, *rates]
    keep = {"epoch", *segments, *shown[:1]}
    columns = [
        Column(results.metric_names.get(name, name), right=True, keep="whole" if name in keep else "extra")
        for name in names
    ]
    # A metric may be called seconds, too.
    table = FittedTable([*columns, Column("seconds", right=True, keep="extra")], more=_MORE)
    spent = epochs[[name for name in SECONDS.values() if name in epochs]].sum(axis=1)
    for record, seconds in zip(epochs.to_dict("records"), spent, strict=True):
        cells = {name: _number(float(record[name])) for name in (*shown, *rates)}
        cells |= {name: str(record[name]) for name in ("epoch", *segments, *phases)}
        table.add_row(*(cells[name] for name in names), f"{seconds:.2f}")
    return table


def _number(value: float) -> str:
    """A metric; a dash if the epoch does not have it, for example without validation."""
    return format_number(value) if value == value else "–"


def _decisions(decisions: pd.DataFrame) -> FittedTable:
    table = FittedTable([Column("epoch", right=True), Column("what"), Column("why", keep="wrapped")])
    for row in decisions.to_dict("records"):
        # A failure's reason is the whole error: the command prints it below.
        why = first_line(str(row["reason"]))
        table.add_row(str(row["epoch"]), str(row["kind"]), why)
    return table


def _files(files: TrialFiles) -> FittedTable:
    table = FittedTable([Column("size", right=True), Column("file", keep="wrapped")])
    for file in files.kept[:_FILES]:
        table.add_row(size(file.bytes), file.path)
    if len(files.kept) > _FILES:
        rest = files.kept[_FILES:]
        table.add_row(size(sum(file.bytes for file in rest)), f"… in {counted(len(rest), 'more file')}")
    for file in files.dropped[:_FILES]:
        text = f"{sanitize_line(file.path)}, deleted: beyond resources.files_gigabytes"
        table.add_row(size(file.bytes), Text(text, style="dim"))
    if len(files.dropped) > _FILES:
        table.add_row("", Text(f"… and {counted(len(files.dropped) - _FILES, 'more deleted file')}", style="dim"))
    return table


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 2), expand=False)
