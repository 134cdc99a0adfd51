"""The page of one trial, and the files of it that can be downloaded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import pyarrow.compute as pc

from pipeline.errors import JobNotFound
from pipeline.page.study_cache import StudyCache, StudySnapshot
from pipeline.page.study_page import shown_metrics
from pipeline.results.analysis.failure_causes import place
from pipeline.results.analysis.parameters import format_value
from pipeline.results.report.page import decisions_table
from pipeline.results.report.picture import Picture, Section, panels
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best, trial_row
from pipeline.results.views.study import provenance_in_words
from pipeline.results.views.table import Table
from pipeline.results.views.trial import files_of, trial_tables
from pipeline.space import Domain
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.text import duration, format_number, size

TABLE_EPOCHS = 500
"""Epochs in the table, the newest."""

_LOG_BYTES = 200_000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Download:
    """A file that can be downloaded."""

    name: str
    pieces: Iterator[bytes]


def content(studies: StudyCache, name: str, trial: str) -> dict[str, Any]:
    """The content of the page."""
    snapshot, store = studies.snapshot(name), studies.folder(name)
    results = snapshot.results
    row, ids = trial_row(results, trial), results.table("trials")["trial_id"].to_pylist()
    epochs, decisions = (
        table.filter(pc.equal(table["trial_id"], trial))
        for table in (results.table("epochs"), results.table("decisions"))
    )
    config, error, files, at = (
        configs_at_best(results, [trial])[trial],
        row["error"] or "",
        files_of(store, trial),
        ids.index(trial),
    )
    sessions = {*epochs["session"].to_pylist(), *decisions["session"].to_pylist()}
    return {
        "mark": snapshot.mark,
        "name": name,
        "trial": trial,
        "before": ids[at - 1] if at else None,
        "after": ids[at + 1] if at + 1 < len(ids) else None,
        "state": str(row["state"]),
        "is_best": results.best is not None and results.best.trial_id == trial,
        "nodes": sorted({str(node) for node in epochs["node"].to_pylist() if node is not None}),
        "tiles": _tiles(results.objective.metric, row),
        "config": [
            (f"{key}" if isinstance(results.space.get(key), Domain) else f"{key} (fixed)", format_value(value))
            for key, value in config.items()
        ],
        "parent": row["parent"] or "",
        "decisions": decisions_table(decisions.to_pylist()),
        "error": error,
        "error_at": place(results, error) if error else "",
        "sections": pictures_of(snapshot, trial),
        "epochs": _newest(next((table for table in trial_tables(results, trial) if table.title == "epochs"), None)),
        "log": _log(store, trial),
        "files": [
            *((file["path"], size(file["bytes"]), True) for file in files.kept),
            *(
                (file["path"], f"{size(file['bytes'])}, deleted: beyond resources.files_gigabytes", False)
                for file in files.dropped
            ),
        ],
        "checkpoint": row["checkpoint"] or "",
        "provenance": provenance_in_words([one for one in results.sessions if one["number"] in sessions]),
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


def log_file(studies: StudyCache, name: str, trial: str) -> Download:
    """What a trial printed, every byte as it is."""
    trial_row(studies.results(name), trial)
    return _download(studies.folder(name), layout.log(trial), f"{trial}.log")


def checkpoint_file(studies: StudyCache, name: str, trial: str) -> Download:
    """A trial's newest checkpoint."""
    path = trial_row(studies.results(name), trial)["checkpoint"]
    if not isinstance(path, str) or layout.checkpoint_of(path) is None:
        raise JobNotFound(f"Trial {trial} has no checkpoint.")
    return _download(studies.folder(name), path, f"{trial}-{PurePosixPath(path).name}")


def trial_file(studies: StudyCache, name: str, trial: str, path: str) -> Download:
    """A file that a trial has written."""
    trial_row(studies.results(name), trial)
    store = studies.folder(name)
    files = files_of(store, trial)
    if path not in [file["path"] for file in files.kept]:
        raise JobNotFound(f"Trial {trial} has no file {path!r:.200}.")
    return _download(store, f"{files.folder}/{path}", PurePosixPath(path).name)


def _newest(epochs: Table | None) -> Table | None:
    """The newest epochs of a trial; the curves have all."""
    if epochs is None or len(epochs.rows) <= TABLE_EPOCHS:
        return epochs
    note = f"The newest {TABLE_EPOCHS} of {len(epochs.rows):,} epochs; the curves have all."
    return replace(epochs, rows=epochs.rows[-TABLE_EPOCHS:], note=note)


def _download(store: Store, path: str, name: str) -> Download:
    if not store.exists(path):
        raise JobNotFound(f"There is no {path} in {store.uri}.")
    return Download(name, store.pieces(path))


def _tiles(metric: str, row: Any) -> list[tuple[str, str, str]]:
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
