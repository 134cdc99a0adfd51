"""The user's functions that a job's JSON names, wherever in the job they are."""

from collections.abc import Iterator, Mapping
from typing import Any

FUNCTION_FIELDS = ("model", "function", "callbacks", "data")
"""The fields of a job that are functions, or may be."""


def named_functions(fields: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The functions of a job by the dotted path of their field."""
    return {
        path: value
        for path, value in _values(fields)
        if isinstance(value, Mapping) and isinstance(value.get("function"), str)
    }


def _values(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in FUNCTION_FIELDS:
        yield name, fields.get(name)
    if isinstance(fit := fields.get("fit"), Mapping):
        yield from ((f"fit.{name}", value) for name, value in fit.items())
    if isinstance(phases := fields.get("phases"), list | tuple):
        for place, phase in enumerate(phases):
            yield f"phases.{place}.prepare", phase.get("prepare") if isinstance(phase, Mapping) else None
