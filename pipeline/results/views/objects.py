"""One trial as tables; a study, a trial and a storage as the JSON objects that docs/results-json.md describes."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.analysis.comparison import hypervolume_of
from pipeline.results.analysis.failure_causes import first_line
from pipeline.results.analysis.parameters import format_value
from pipeline.results.analysis.queries import changes, study_decisions
from pipeline.results.tables.load import Results, StudyRow, config_of
from pipeline.results.tables.trials import configs_of, pareto_front, trial_row
from pipeline.results.tables.user_files import TrialFiles
from pipeline.results.views.provenance import sessions_objects
from pipeline.results.views.study import failures_table, fit_arguments, number, phases_of, training_lines
from pipeline.results.views.table import Column, Table, plain
from pipeline.space import drawn_names
from pipeline.storage.schema import SECONDS, column_of, metric_columns
from pipeline.text import counted, duration, format_number, size

_FILES = 20
_MORE = "a wider terminal or --json shows them"


def trial_lines(results: Results, trial_id: str) -> dict[str, str]:
    """A trial in labelled lines, the first of which is its headline."""
    row, epochs = trial_row(results, trial_id), _of(results, "epochs", trial_id)
    (trial,) = _of(results, "trials", trial_id).to_pylist()
    known, several = trial["objective"] is not None, len(set(epochs["segment"].to_pylist())) > 1
    at = f" at epoch {trial['best_epoch']}" if known else ""
    config = config_of(trial, results.space)
    lines = {
        "trial": f"{trial_id}  {row['state']}, {counted(trial['epochs'], 'epoch')} in {duration(trial['seconds'])}",
        "best": f"{results.objective.metric} {format_number(trial['objective'])}{at}" if known else "",
        f"config{at if several else ''}": "  ".join(f"{key}={format_value(value)}" for key, value in config.items()),
        "trained with": _newest_way(epochs),
        **training_lines(results.job),
        "attempts": str(trial["attempts"]) if trial["attempts"] > 1 else "",
        "weights of": trial["parent"] and f"trial {trial['parent']}",
        "checkpoint": trial["checkpoint"],
    }
    return {label: text for label, text in lines.items() if text}


def trial_tables(results: Results, trial_id: str, files: TrialFiles | None = None) -> list[Table]:
    """A trial's segments where it has several, its epochs, the decisions about it with their reasons, and its files."""
    epochs, decisions = _of(results, "epochs", trial_id), _of(results, "decisions", trial_id)
    tables = [_segments(results, epochs, decisions), _epochs(results, epochs)]
    # A failure's reason is the whole error: the command prints it below.
    rows = [{**row, "reason": first_line(str(row["reason"]))} for row in decisions.to_pylist()]
    what = [Column("epoch", right=True), Column("kind", "what"), Column("reason", "why", keep="wrapped")]
    tables.append(Table("decisions", what, rows))
    if files is not None:
        kept = [{"bytes": file.bytes, "path": file.path} for file in files.kept[:_FILES]]
        if rest := files.kept[_FILES:]:
            kept.append({"bytes": sum(file.bytes for file in rest), "path": f"… in {counted(len(rest), 'more file')}"})
        dropped = [
            {"bytes": file.bytes, "path": f"{file.path} (deleted: beyond resources.files_gigabytes)"}
            for file in files.dropped[:_FILES]
        ]
        shown = [Column("bytes", "size", size, right=True), Column("path", "file", keep="wrapped")]
        tables.append(Table(f"files in {files.folder}", shown, [*kept, *dropped]))
    return [table for table in tables if table.rows]


def _segments(results: Results, epochs: pa.Table, decisions: pa.Table) -> Table:
    """Under which config the trial trained from when on, and with whose weights."""
    names = drawn_names(results.space)
    columns = [Column("from_epoch", right=True, keep="whole"), Column("weights_of", keep="whole")]
    columns += [Column(f"config_{name}", name, right=True, keep="extra") for name in names]
    taken = {row["epoch"]: row for row in decisions.to_pylist() if row["kind"] == "exploit"}
    rows, before = [], None
    for row, config in zip(epochs.to_pylist(), configs_of(epochs, results.space), strict=True):
        if row["segment"] != before:
            donor = taken.get(row["epoch"] - 1)
            whose = f"trial {donor['parent_trial']} at epoch {donor['parent_epoch']}" if donor else "its own"
            values = {f"config_{name}": value for name, value in config.items()}
            rows.append({"from_epoch": row["epoch"], "weights_of": whose, **values})
        before = row["segment"]
    return Table("segments", columns, rows if len(rows) > 1 else [], more=_MORE)


def _epochs(results: Results, epochs: pa.Table) -> Table:
    objective = column_of(results.objective.metric, results.metric_names)
    filled = {name for name in epochs.column_names if epochs[name].null_count < epochs.num_rows}
    # The objective comes first: trials are compared by it.
    metrics = sorted((name for name in metric_columns(epochs.column_names) if name in filled), key=objective.__ne__)
    several = [
        name
        for name, least in (("segment", 1), ("phase", 0))
        if name in filled and (pc.max(epochs[name]).as_py() or 0) > least
    ]
    rates = ["learning_rate"] if "learning_rate" in filled else []
    columns = [Column(name, right=True, keep="whole") for name in ("epoch", *several)]
    columns += [
        Column(
            name,
            results.metric_names.get(name, name),
            number,
            right=True,
            keep="whole" if name == objective else "extra",
        )
        for name in (*metrics, *rates)
    ]
    # A metric may be called seconds, too.
    columns.append(Column("_seconds", "seconds", "{:.2f}".format, right=True, keep="extra"))
    rows = [{**row, "_seconds": sum(row.get(name) or 0 for name in SECONDS.values())} for row in epochs.to_pylist()]
    return Table("epochs", columns, rows, more=_MORE)


def _newest_way(epochs: pa.Table) -> str | None:
    """How the newest epoch was trained, if it says so."""
    ways = epochs["trained_with"].drop_null().to_pylist() if "trained_with" in epochs.column_names else []
    return str(ways[-1]) if ways else None


def _of(results: Results, name: str, trial_id: str) -> pa.Table:
    table = results.table(name)
    return table.filter(pc.equal(table["trial_id"], trial_id))


def results_object(results: Results, top: int | None = None) -> dict[str, Any]:
    """The object that `results --json` prints."""
    best, box = results.best, hypervolume_of(results)
    limit = "order by length(trial_id), trial_id" if top is None else f"order by place limit {top}"
    return {
        "study": results.name,
        "state": results.state,
        "location": results.location,
        "seconds": results.seconds,
        "objectives": [
            {name: value for name, value in asdict(one).items() if value is not None} for one in results.objectives
        ],
        "best": best and {"trial_id": best.trial_id, "value": best.value, "epoch": best.epoch, "config": best.config},
        "test": None if results.test is None else plain(results.test),
        "trials": _with_config(results, results.query(f"select * exclude (place, study) from ranked {limit}")),
        "front": [
            {"trial_id": point.trial_id, "epoch": point.epoch, "values": dict(point.values)}
            for point in pareto_front(results)
        ],
        "hypervolume": box and {"share": box[1], "best": dict(box[0].best), "reference": dict(box[0].reference)},
        "metric_names": dict(results.metric_names),
        "failures": failures_table(results).as_object()["rows"],
        "changes": changes(results),
        "decisions": plain(study_decisions(results).to_pylist()),
        "sessions": sessions_objects(results.sessions),
    }


def trial_object(results: Results, trial_id: str, files: TrialFiles) -> dict[str, Any]:
    """The object that `results --trial T --json` prints: one trial with its epochs and the decisions about it."""
    trial_row(results, trial_id)  # there may be no such trial
    epochs, decisions = (
        _of(results, name, trial_id).drop_columns(["study", "trial_id"]) for name in ("epochs", "decisions")
    )
    metrics = metric_columns(epochs.column_names)
    rows = _with_config(results, epochs)
    return {
        "study": results.name,
        "location": results.location,
        "trial": _with_config(results, _of(results, "trials", trial_id).drop_columns(["study"]))[0],
        "trained_with": _newest_way(epochs),
        "fit": fit_arguments(results.job),
        "phases": phases_of(results.job),
        "metric_names": dict(results.metric_names),
        "epochs": [
            {**{name: value for name, value in row.items() if name not in metrics},
             "metrics": {name: row[name] for name in metrics}}
            for row in rows
        ],
        "decisions": [
            {**plain(row), **{name: row[name] and json.loads(row[name]) for name in ("config_before", "config_after")}}
            for row in decisions.to_pylist()
        ],
        **files.as_object(),
    }  # fmt: skip


def _with_config(results: Results, table: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON values, with a config as an object in place of its columns."""
    fixed = table.select([name for name in table.column_names if not name.startswith("config_")])
    rows = zip(fixed.to_pylist(), configs_of(table, results.space), strict=True)
    return [{**plain(row), "config": config} for row, config in rows]


def studies_object(studies: Iterable[StudyRow]) -> dict[str, Any]:
    """The object that `studies --json` prints."""
    return {"studies": [plain(asdict(study)) for study in studies]}
