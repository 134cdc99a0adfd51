"""A study's results as one JSON object, for scripts; docs/results-json.md says what is in it."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.analysis.accepted_changes import Kind, accepted_changes
from pipeline.results.analysis.failure_causes import causes
from pipeline.results.analysis.hypervolume import hypervolume_of
from pipeline.results.analysis.study_decisions import study_decisions
from pipeline.results.tables.configs import config_of
from pipeline.results.tables.front import pareto_front
from pipeline.results.tables.load import Results, rank_order
from pipeline.results.tables.overview import StudyRow
from pipeline.results.tables.trials import trial_row
from pipeline.results.tables.user_files import TrialFiles
from pipeline.results.views.fit_text import fit_arguments, newest_way, phases_of
from pipeline.results.views.provenance import sessions_objects
from pipeline.space import Space
from pipeline.storage.schema import EPOCHS, metric_columns
from pipeline.study import Objective

_EPOCH_COLUMNS = {column.name for column in EPOCHS}


def results_object(results: Results, top: int | None = None) -> dict[str, Any]:
    """The object that `--json` prints."""
    best, objective, space = results.best, results.objective, results.space
    return {
        "study": results.name,
        "state": results.state,
        "location": results.location,
        "seconds": results.seconds,
        "objective": {"metric": objective.metric, "mode": objective.mode},
        "objectives": [_objective(one) for one in results.objectives],
        "best": best and {"trial_id": best.trial_id, "value": best.value, "epoch": best.epoch, "config": best.config},
        "front": [
            {"trial_id": point.trial_id, "epoch": point.epoch, "values": dict(point.values)}
            for point in pareto_front(results)
        ],
        "hypervolume": _hypervolume(results),
        "metric_names": dict(results.metric_names),
        "test": None if results.test is None else {name: _plain(value) for name, value in results.test.items()},
        "trials": [_trial(row, space) for row in _rows(results, top)],
        "failures": [
            {"error": cause.what, "where": cause.where or None, "trials": list(cause.trials)}
            for cause in causes(results)
        ],
        "sessions": sessions_objects(results.sessions),
        "data_changes": accepted_changes_objects(results, "data"),
        "code_changes": accepted_changes_objects(results, "code"),
        "decisions": [
            {name: _plain(row[name]) for name in ("session", "number", "time", "kind", "reason")}
            for row in study_decisions(results).to_pylist()
        ],
    }


def accepted_changes_objects(results: Results, kind: Kind) -> list[dict[str, Any]]:
    """The sessions that continued a study with changed data or code, as the objects that `--json` prints."""
    return [
        {
            "session": change.session,
            "changes": list(change.changes),
            "trials_before": list(change.before),
            "trials_since": list(change.since),
        }
        for change in accepted_changes(results, kind)
    ]


def _rows(results: Results, top: int | None) -> list[dict[str, Any]]:
    trials = results.table("trials")
    if top is not None:
        trials = trials.take(pa.array(rank_order(trials, results.objective)[:top]))
    rows: list[dict[str, Any]] = trials.to_pylist()
    return rows


def objects_of_studies(studies: Iterable[Results], top: int | None = None) -> dict[str, Any]:
    """The object that `--json` prints of several studies: those of each, in order."""
    return {"studies": [results_object(results, top) for results in studies]}


def trial_object(results: Results, trial_id: str, files: TrialFiles) -> dict[str, Any]:
    """The object that `--trial T --json` prints: one trial with its epochs and the decisions about it."""
    trial_row(results, trial_id)  # there may be no such trial
    space = results.space
    (row,), epochs, decisions = (
        table.filter(pc.equal(table["trial_id"], trial_id)).to_pylist()
        for table in map(results.table, ("trials", "epochs", "decisions"))
    )
    return {
        "study": results.name,
        "location": results.location,
        "trial": _trial(row, space),
        "trained_with": newest_way(results, trial_id),
        "fit": fit_arguments(results.job),
        "phases": phases_of(results.job),
        "metric_names": dict(results.metric_names),
        "epochs": [_epoch(row, space) for row in epochs],
        "decisions": [_decision(row) for row in decisions],
        **files.as_object(),
    }


def studies_object(studies: Iterable[StudyRow]) -> dict[str, Any]:
    """The object that `tunepipe studies --json` prints."""
    return {
        "studies": [
            {
                **{name: _plain(value) for name, value in asdict(study).items()},
                "started": study.started and study.started.isoformat(),
            }
            for study in studies
        ]
    }


def _objective(objective: Objective) -> dict[str, Any]:
    bounds = {name: getattr(objective, name) for name in ("at_most", "at_least")}
    return {"metric": objective.metric, "mode": objective.mode, **{k: v for k, v in bounds.items() if v is not None}}


def _hypervolume(results: Results) -> dict[str, Any] | None:
    if (found := hypervolume_of(results)) is None:
        return None
    box, share = found
    return {"share": share, "best": dict(box.best), "reference": dict(box.reference)}


def _epoch(row: Mapping[str, Any], space: Space) -> dict[str, Any]:
    named = {str(name): value for name, value in row.items() if name not in ("study", "trial_id")}
    fixed = {name: _plain(value) for name, value in named.items() if name in _EPOCH_COLUMNS}
    metrics = {name: _plain(named[name]) for name in metric_columns(named)}
    return {**fixed, "metrics": metrics, "config": config_of(named, space)}


def _decision(row: Mapping[str, Any]) -> dict[str, Any]:
    fields = {str(name): _plain(value) for name, value in row.items() if name not in ("study", "trial_id")}
    configs = {name: fields[name] and json.loads(fields[name]) for name in ("config_before", "config_after")}
    return {**fields, **configs}


def _trial(row: Mapping[str, Any], space: Space) -> dict[str, Any]:
    named = {str(name): value for name, value in row.items() if name != "study"}
    plain = {name: _plain(value) for name, value in named.items() if not name.startswith("config_")}
    return {**plain, "config": config_of(named, space)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value
