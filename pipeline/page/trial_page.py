"""The page of one trial, and the files of it that can be downloaded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import JobNotFound
from pipeline.page.controls import config_text
from pipeline.page.picture_columns import epochs_of
from pipeline.page.study_cache import StudyCache
from pipeline.results.analysis.failure_causes import first_line, place
from pipeline.results.analysis.parameters import format_value, tuned
from pipeline.results.tables.trials import configs_at_best, trial_row
from pipeline.results.views.provenance import provenance_in_words
from pipeline.results.views.trial import TrialFiles, files_of
from pipeline.space import Domain
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.text import duration, format_number, size

TABLE_EPOCHS = 500
"""Epochs in the table, the newest; the curves show all."""

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
    row = trial_row(results, trial)
    mine = results.epochs[results.epochs["trial_id"] == trial]
    decisions = results.decisions[results.decisions["trial_id"] == trial].to_dict("records")
    config = configs_at_best(results, [trial])[trial]
    error = row["error"] if isinstance(row["error"], str) else ""
    checkpoint = row["checkpoint"] if isinstance(row["checkpoint"], str) else ""
    sessions = {*mine["session"].tolist(), *(each["session"] for each in decisions)}
    ids = [str(each) for each in results.trials["trial_id"]]
    at = ids.index(trial)
    nodes = sorted({str(node) for node in mine["node"].dropna()})
    return {
        "mark": snapshot.mark,
        "name": name,
        "trial": trial,
        "before": ids[at - 1] if at else None,
        "after": ids[at + 1] if at + 1 < len(ids) else None,
        "study_state": results.state,
        "state": str(row["state"]),
        "is_best": results.best is not None and results.best.trial_id == trial,
        "tiles": _tiles(results.objective.metric, row),
        "config": [
            (key, format_value(value), isinstance(results.space.get(key), Domain)) for key, value in config.items()
        ],
        "entered": config_text({key: config[key] for key in tuned(results) if key in config}),
        "parent": row["parent"] if isinstance(row["parent"], str) else "",
        "decisions": [(str(each["epoch"]), str(each["kind"]), first_line(str(each["reason"]))) for each in decisions],
        "error": error,
        "error_at": place(results, error) if error else "",
        "epochs": epochs_of(results, trial),
        "skipped": max(0, len(mine) - TABLE_EPOCHS),
        "shown": lambda value: "–" if value is None else format_number(value),
        "log": _log(store, trial),
        "files": _files(files_of(store, trial)),
        "checkpoint": checkpoint,
        "nodes": nodes,
        "provenance": provenance_in_words([one for one in results.sessions if one["number"] in sessions]),
    }


def log_file(studies: StudyCache, name: str, trial: str) -> Download:
    """What a trial printed, every byte as it is."""
    _known(studies, name, trial)
    return _download(studies.folder(name), layout.log(trial), f"{trial}.log")


def checkpoint_file(studies: StudyCache, name: str, trial: str) -> Download:
    """A trial's newest checkpoint."""
    path = _known(studies, name, trial)["checkpoint"]
    if not isinstance(path, str) or layout.checkpoint_of(path) is None:
        raise JobNotFound(f"Trial {trial} has no checkpoint.")
    return _download(studies.folder(name), path, f"{trial}-{PurePosixPath(path).name}")


def trial_file(studies: StudyCache, name: str, trial: str, path: str) -> Download:
    """A file that a trial has written."""
    _known(studies, name, trial)
    store = studies.folder(name)
    files = files_of(store, trial)
    if path not in [file["path"] for file in files.kept]:
        raise JobNotFound(f"Trial {trial} has no file {path!r:.200}.")
    return _download(store, f"{files.folder}/{path}", PurePosixPath(path).name)


def _known(studies: StudyCache, name: str, trial: str) -> Any:
    return trial_row(studies.results(name), trial)


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
    tiles.append(("time", duration(float(row["seconds"])), "building, training, evaluating and checkpointing"))
    return tiles


def _log(store: Store, trial: str) -> tuple[str, str]:
    """The end of what a trial printed as a terminal would show it, and how much is left out before it."""
    path = layout.log(trial)
    if not store.exists(path):
        return "", ""
    content, before = store.read_end(path, _LOG_BYTES)
    text = _COLOURS.sub("", content.decode(errors="replace"))
    # A progress bar overwrites its line: the last state of it counts.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return "\n".join(lines).rstrip(), size(before) if before else ""


def _files(files: TrialFiles) -> dict[str, Any]:
    return {
        "folder": files.folder,
        "kept": [(file["path"], size(file["bytes"])) for file in files.kept],
        "dropped": [(file["path"], size(file["bytes"])) for file in files.dropped],
    }
