"""A study's results as one JSON object, for scripts; docs/results-json.md says what is in it."""

import math
from typing import Any

import pandas as pd

from pipeline.results.load import Results, config_of

__all__ = ["results_object"]


def results_object(results: Results) -> dict[str, Any]:
    """The object that `--json` prints.

    Args:
        results: A study's results.

    Returns:
        JSON values only: what is not finite, and what is not there, is null.
    """
    best, objective = results.best, results.objective
    return {
        "study": results.name,
        "state": results.state,
        "location": results.location,
        "seconds": results.seconds,
        "objective": {"metric": objective.metric, "mode": objective.mode},
        "best": best and {"trial_id": best.trial_id, "value": best.value, "epoch": best.epoch, "config": best.config},
        "test": dict(results.test) if results.test is not None else None,
        "trials": [_trial(row, results) for _, row in results.trials.iterrows()],
    }


def _trial(row: "pd.Series[Any]", results: Results) -> dict[str, Any]:
    plain = {str(name): _plain(value) for name, value in row.items() if not str(name).startswith("config_")}
    del plain["study"]
    return {**plain, "config": config_of(row, results.space)}


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, "item") else value
