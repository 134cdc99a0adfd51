"""How a study's trials train: the way, and the arguments of Keras' fit, in words."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.results.tables.load import Results


def fit_arguments(job: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of fit that a job gives."""
    arguments = job.get("fit")
    given = arguments.items() if isinstance(arguments, Mapping) else ()
    defaults = {"validation_freq": 1, "shuffle": True}
    return {name: _value(value) for name, value in given if value is not None and value != defaults.get(name)}


def fit_text(job: Mapping[str, Any]) -> str:
    """The arguments of fit that a job gives, in one line; empty if it gives none."""
    values = fit_arguments(job)
    return "  ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()
    )


def phases_of(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The phases of a job: when each begins, and the name of its function."""
    found = job.get("phases")
    phases = [phase for phase in found if isinstance(phase, Mapping)] if isinstance(found, list) else []
    return [{"at": phase.get("at"), "prepare": _name(phase.get("prepare"))} for phase in phases]


def phases_text(job: Mapping[str, Any]) -> str:
    """The phases of a job in one line; empty if it has none."""
    return "  ".join(f"{phase['prepare']} after epoch {phase['at']}" for phase in phases_of(job))


def newest_way(results: Results, trial_id: str) -> str | None:
    """How the newest epoch of a trial was trained; None if no epoch says so."""
    epochs = results.epochs
    if "trained_with" not in epochs:
        return None
    ways = epochs.loc[epochs["trial_id"] == trial_id, "trained_with"].dropna()
    return str(ways.iloc[-1]) if len(ways) else None


def _value(value: Any) -> Any:
    return value if (name := _name(value)) is None else f"{name}(config)"


def _name(value: Any) -> str | None:
    """The name of a function in JSON; None for any other value."""
    name = value.get("function") if isinstance(value, Mapping) else None
    return name.rpartition(":")[2] if isinstance(name, str) else None
