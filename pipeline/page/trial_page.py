"""The page of one trial."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow.compute as pc

from pipeline.page.study_cache import StudyCache, StudySnapshot
from pipeline.page.study_page import shown_metrics
from pipeline.results.analysis.parameters import format_value
from pipeline.results.report.page import decisions_table
from pipeline.results.report.picture import Picture, Section, panels
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best, trial_row
from pipeline.results.views.trial import files_of, trial_tables
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.text import duration, format_number, size

MAX_EPOCHS = 500
"""The maximum number of epochs in the table, the newest."""

_LOG_BYTES = 200_000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def content(studies: StudyCache, name: str, trial: str) -> dict[str, Any]:
    """The content of the page."""
    snapshot, store = studies.snapshot(name), studies.folder(name)
    results = snapshot.results
    row, ids = trial_row(results, trial), results.table("trials")["trial_id"].to_pylist()
    decisions, at = results.table("decisions"), ids.index(trial)
    return {
        "mark": snapshot.mark,
        "name": name,
        "trial": trial,
        "before": ids[at - 1] if at else None,
        "after": ids[at + 1] if at + 1 < len(ids) else None,
        "state": str(row["state"]),
        "is_best": results.best is not None and results.best.trial_id == trial,
        "tiles": _tiles(results.objective.metric, row),
        "config": [(key, format_value(value)) for key, value in configs_at_best(results, [trial])[trial].items()],
        "parent": row["parent"] or "",
        "decisions": decisions_table(decisions.filter(pc.equal(decisions["trial_id"], trial)).to_pylist()),
        "error": row["error"] or "",
        "sections": pictures_of(snapshot, trial),
        # The curves have all.
        "epochs": [
            replace(table, rows=table.rows[-MAX_EPOCHS:])
            for table in trial_tables(results, trial)
            if table.title == "epochs"
        ],
        "log": _log(store, trial),
        "files": [(file["path"], size(file["bytes"])) for file in files_of(store, trial).kept],
    }


def pictures_of(snapshot: StudySnapshot, trial: str) -> list[Section]:
    """A curve of each metric of a trial."""

    def found(results: Results) -> list[Section]:
        epochs = results.table("epochs")
        mine = epochs.filter(pc.equal(epochs["trial_id"], trial))
        pictures = [
            Picture(f"curve-{number}", "trial_curve", results, (trial, column), f"{label} by epoch.", 200, 200)
            for number, (column, label) in enumerate(shown_metrics(results))
            if mine[column].null_count < mine.num_rows
        ]
        return [panels("Curves", "", pictures)] if pictures else []

    return snapshot.derived(("trial", trial), found)


def _tiles(metric: str, row: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    # A trial without a value has None or NaN.
    known, last = (value is not None and value == value for value in (row["objective"], row["last_objective"]))
    tiles = [(metric, format_number(row["objective"]), f"at epoch {row['best_epoch']}")] if known else []
    if last:
        tiles.append(("last value", format_number(row["last_objective"]), f"at epoch {row['epochs']}"))
    tiles.append(("epochs", str(row["epochs"]), f"started {row['attempts']} times" if row["attempts"] > 1 else ""))
    return [*tiles, ("time", duration(float(row["seconds"])), "building, training, evaluating and checkpointing")]


def _log(store: Store, trial: str) -> tuple[str, str]:
    """The end of what a trial printed as a terminal would show it, and how much is left out before it."""
    path = layout.log(trial)
    if not store.exists(path):
        return "", ""
    text, before = store.read_end(path, _LOG_BYTES)
    # A progress bar overwrites its line: the last state of it counts.
    lines = [
        line.rstrip("\r").rpartition("\r")[2] for line in _COLOURS.sub("", text.decode(errors="replace")).split("\n")
    ]
    return "\n".join(lines).rstrip(), size(before) if before else ""
