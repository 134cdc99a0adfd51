"""The page of one trial."""

from dataclasses import replace
from typing import Any

import pyarrow.compute as pc

from pipeline.page.study_cache import StudyCache, StudySnapshot
from pipeline.page.study_page import control_state, shown_metrics
from pipeline.results.report.sections import Picture, Section, panels
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import trial_row
from pipeline.results.views.table import Table
from pipeline.results.views.trial import files_of, trial_lines, trial_tables
from pipeline.storage import Store, layout
from pipeline.text import COLOURS, size

MAX_ROWS = 500
"""The maximum number of rows of a table, the newest."""

_LOG_BYTES = 200_000


def content(studies: StudyCache, name: str, trial: str) -> dict[str, Any]:
    """The content of the page."""
    snapshot, store = studies.snapshot(name), studies.folder(name)
    results = snapshot.results
    row = trial_row(results, trial)
    return {
        **control_state(store),
        "mark": snapshot.mark,
        "name": name,
        "trial": trial,
        "state": str(row["state"]),
        "is_best": results.best is not None and results.best.trial_id == trial,
        "summary": trial_lines(results, trial).items(),
        "parent": row["parent"] or "",
        "error": row["error"] or "",
        "sections": pictures_of(snapshot, trial),
        # The curves have all epochs.
        "tables": [_newest_rows(table) for table in trial_tables(results, trial)],
        "log": _log(store, trial),
        "files": [(file["path"], size(file["bytes"])) for file in files_of(store, trial).kept],
    }


def _newest_rows(table: Table) -> Table:
    count = len(table.rows)
    newest = f"The newest {MAX_ROWS} of {count:,} rows."
    return table if count <= MAX_ROWS else replace(table, rows=table.rows[-MAX_ROWS:], note=newest)


def pictures_of(snapshot: StudySnapshot, trial: str) -> list[Section]:
    """A curve of each metric of a trial."""

    def found(results: Results) -> list[Section]:
        epochs = results.table("epochs")
        mine = epochs.filter(pc.equal(epochs["trial_id"], trial))
        pictures = [
            Picture(f"curve-{number}", "trial_curve", results, (trial, column), f"{label} by epoch.", 200)
            for number, (column, label) in enumerate(shown_metrics(results))
            if mine[column].null_count < mine.num_rows
        ]
        return [panels("Curves", "", pictures)] if pictures else []

    return snapshot.derived(("trial", trial), found)


def _log(store: Store, trial: str) -> tuple[str, str]:
    """The end of what a trial printed as a terminal would show it, and how much is left out before it."""
    path = layout.log(trial)
    if not store.exists(path):
        return "", ""
    text, before = store.read_end(path, _LOG_BYTES)
    # A progress bar overwrites its line: the last state of it counts.
    lines = [
        line.rstrip("\r").rpartition("\r")[2] for line in COLOURS.sub("", text.decode(errors="replace")).split("\n")
    ]
    return "\n".join(lines).rstrip(), size(before) if before else ""
