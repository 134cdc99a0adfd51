"""Metrics from what programs report: a table's columns are numbers, and programs report values of any type."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pipeline.training.metrics import NotNumeric, as_number


def flat(reported: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """What is reported without dicts in it: `{"eval": {"loss": 1}}` is `eval/loss`, as Ray Tune names it."""
    values: dict[str, Any] = {}
    for name, value in reported.items():
        values |= flat(value, f"{above}{name}/") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return values


def numeric(reported: Mapping[str, Any]) -> dict[str, float]:
    """The values that are numbers, by their names; others are left out."""
    numbers: dict[str, float] = {}
    for name, value in reported.items():
        with suppress(NotNumeric):
            numbers[str(name)] = as_number(value)
    return numbers
