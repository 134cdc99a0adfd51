"""A study's results as one JSON object, for scripts; docs/results-json.md says what is in it."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from pipeline.results.load import Results, config_of
from pipeline.space import Space

__all__ = ["results_object"]


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
        "best": best and {"trial_id": best.trial_id, "value": best.value, "epoch": best.epoch, "config": best.config},
        "test": None if results.test is None else {name: _plain(value) for name, value in results.test.items()},
        "trials": [_trial(row, space) for row in results.trials.to_dict("records")],
    }


def _trial(row: Mapping[Hashable, Any], space: Space) -> dict[str, Any]:
    named = {str(name): value for name, value in row.items() if name != "study"}
    plain = {name: _plain(value) for name, value in named.items() if not name.startswith("config_")}
    return {**plain, "config": config_of(named, space)}


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value
