"""One trial: its lines, its tables, and its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.analysis.parameters import format_value
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best, trial_row
from pipeline.results.views.study import number, rows_with_config
from pipeline.results.views.table import Column, Table
from pipeline.storage import Store, layout
from pipeline.storage.schema import SECONDS, metric_column, metric_columns
from pipeline.text import counted, duration, first_line, format_number, size

_FILES = 20


@dataclass(frozen=True, slots=True)
class TrialFiles:
    """The files in a trial's folder: each has `path` and `bytes`."""

    folder: str = ""
    kept: Sequence[Mapping[str, Any]] = ()


def files_of(store: Store, trial_id: str) -> TrialFiles:
    """The files that a trial's callbacks and functions have written."""
    folder = layout.files(trial_id)
    kept = [
        {"path": owner[1], "bytes": size}
        for path, size in store.sizes(folder)
        if (owner := layout.file_of(path)) is not None and owner[0] == trial_id
    ]
    return TrialFiles(folder, kept)


def trial_lines(results: Results, trial_id: str) -> dict[str, str]:
    """A trial in labelled lines, the first of which is its headline."""
    trial, epochs = trial_row(results, trial_id), _of(results, "epochs", trial_id)
    known, several = trial["objective"] is not None, len(set(epochs["segment"].to_pylist())) > 1
    at = f" at epoch {trial['best_epoch']}" if known else ""
    config = configs_at_best(results, [trial_id])[trial_id]
    lines = {
        "trial": f"{trial_id}  {trial['state']}, {counted(trial['epochs'], 'epoch')} in {duration(trial['seconds'])}",
        "best": f"{results.objective.metric} {format_number(trial['objective'])}{at}" if known else "",
        f"config{at if several else ''}": "  ".join(f"{key}={format_value(value)}" for key, value in config.items()),
        "trained with": _newest_way(epochs),
        "attempts": str(trial["attempts"]) if trial["attempts"] > 1 else "",
        "weights of": trial["parent"] and f"trial {trial['parent']}",
        "checkpoint": trial["checkpoint"],
    }
    return {label: text for label, text in lines.items() if text}


def trial_tables(results: Results, trial_id: str, files: TrialFiles | None = None) -> list[Table]:
    """A trial's epochs, the decisions about it with their reasons, and its files; those with rows. Programs get all
    columns of `epochs` and `decisions`.
    """
    epochs, decisions = (
        _of(results, name, trial_id).drop_columns(["study", "trial_id"]) for name in ("epochs", "decisions")
    )
    # A failure's reason is the whole error: the command prints it below.
    why = Column("reason", "why", lambda reason: first_line(str(reason)), keep="wrapped")
    columns, rows = [Column("epoch", right=True), Column("kind", "what"), why], decisions.to_pylist()
    tables = [_epochs(results, epochs), Table("decisions", columns, rows, name="decisions")]
    if files is not None:
        columns = [Column("bytes", "size", size, right=True), Column("path", "file", keep="wrapped")]
        tables.append(Table(f"files in {files.folder}", columns, list(files.kept), name="files", most=_FILES))
    return [table for table in tables if table.rows]


def _epochs(results: Results, epochs: pa.Table) -> Table:
    objective = metric_column(results.objective.metric)
    filled = {name for name in epochs.column_names if epochs[name].null_count < epochs.num_rows}
    # The objective comes first: trials are compared by it.
    metrics = sorted((name for name in metric_columns(epochs.column_names) if name in filled), key=objective.__ne__)
    several = [name for name in ("segment", "phase") if name in filled and len(epochs[name].unique()) > 1]
    columns = [Column(name, right=True, keep="whole") for name in ("epoch", *several)]
    for name in (*metrics, *({"learning_rate"} & filled)):
        columns.append(Column(name, name, number, right=True, keep="whole" if name == objective else "extra"))
    rows = rows_with_config(results, epochs)
    # Those that a population or a user has changed.
    changed = [name for name in results.space if len({repr(row[f"config_{name}"]) for row in rows}) > 1]
    columns += [Column(f"config_{name}", name, right=True, keep="extra") for name in changed]
    # A metric may be called seconds, too.
    columns.append(Column("_seconds", "seconds", "{:.2f}".format, right=True, keep="extra"))
    rows = [{**row, "_seconds": sum(row.get(name) or 0 for name in SECONDS.values())} for row in rows]
    return Table("epochs", columns, rows, name="epochs")


def _newest_way(epochs: pa.Table) -> str | None:
    """How the newest epoch was trained, if it says so."""
    ways = epochs["trained_with"].drop_null().to_pylist() if "trained_with" in epochs.column_names else []
    return str(ways[-1]) if ways else None


def _of(results: Results, name: str, trial_id: str) -> pa.Table:
    table = results.table(name)
    return table.filter(pc.equal(table["trial_id"], trial_id))
