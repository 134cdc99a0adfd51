"""A study's results as one JSON object, for scripts; docs/results-json.md says what is in it."""

import json
import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from pipeline.results.failures import causes
from pipeline.results.front import pareto_front
from pipeline.results.load import Results, config_of
from pipeline.results.overview import StudyRow
from pipeline.results.trial import trial_row
from pipeline.space import Space
from pipeline.storage.schema import EPOCHS, metric_columns

__all__ = ["results_object", "several_object", "studies_object", "trial_object"]

_EPOCH_COLUMNS = {column.name for column in EPOCHS}


def results_object(results: Results) -> dict[str, Any]:
    """The object that `--json` prints.

    Args:
        results: A study's results.

    Returns:
        JSON values only: what is not finite, and what is not there, is null.
    """
    best, objective, space = results.best, results.objective, results.space
    return {
        "study": results.name,
        "state": results.state,
        "location": results.location,
        "seconds": results.seconds,
        "objective": {"metric": objective.metric, "mode": objective.mode},
        "objectives": [{"metric": one.metric, "mode": one.mode} for one in results.objectives],
        "best": best and {"trial_id": best.trial_id, "value": best.value, "epoch": best.epoch, "config": best.config},
        "front": [
            {"trial_id": point.trial_id, "epoch": point.epoch, "values": dict(point.values)}
            for point in pareto_front(results)
        ],
        "test": None if results.test is None else {name: _plain(value) for name, value in results.test.items()},
        "trials": [_trial(row, space) for row in results.trials.to_dict("records")],
        "failures": [
            {"error": cause.what, "where": cause.where or None, "trials": list(cause.trials)}
            for cause in causes(results)
        ],
    }


def several_object(studies: Iterable[Results]) -> dict[str, Any]:
    """The object that `--json` prints of several studies: those of each, in order."""
    return {"studies": [results_object(results) for results in studies]}


def trial_object(results: Results, trial_id: str) -> dict[str, Any]:
    """The object that `--trial T --json` prints: one trial with its epochs and the decisions about it.

    Args:
        results: A study's results.
        trial_id: The trial's id.

    Returns:
        JSON values only, as of `results_object`.

    Raises:
        JobNotFound: There is no such trial; names those there are.
    """
    row, space = trial_row(results, trial_id), results.space
    mine = results.epochs[results.epochs["trial_id"] == trial_id]
    decided = results.decisions[results.decisions["trial_id"] == trial_id]
    return {
        "study": results.name,
        "location": results.location,
        "trial": _trial(row, space),
        "epochs": [_epoch(row, space) for row in mine.to_dict("records")],
        "decisions": [_decision(row) for row in decided.to_dict("records")],
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


def _epoch(row: Mapping[Hashable, Any], space: Space) -> dict[str, Any]:
    named = {str(name): value for name, value in row.items() if name not in ("study", "trial_id")}
    fixed = {name: _plain(value) for name, value in named.items() if name in _EPOCH_COLUMNS}
    metrics = {name: _plain(named[name]) for name in metric_columns(named)}
    return {**fixed, "metrics": metrics, "config": config_of(named, space)}


def _decision(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    told = {str(name): _plain(value) for name, value in row.items() if name not in ("study", "trial_id")}
    configs = {name: told[name] and json.loads(told[name]) for name in ("config_before", "config_after")}
    return {**told, **configs}


def _trial(row: Mapping[Hashable, Any], space: Space) -> dict[str, Any]:
    named = {str(name): value for name, value in row.items() if name != "study"}
    plain = {name: _plain(value) for name, value in named.items() if not name.startswith("config_")}
    return {**plain, "config": config_of(named, space)}


def _plain(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value
