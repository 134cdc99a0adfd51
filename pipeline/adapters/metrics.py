"""Metrics from what programs report: a table's columns are numbers, and programs report values of any type."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pipeline.training.metrics import NotNumeric, as_number

__all__ = ["numeric"]


def numeric(reported: Mapping[str, Any]) -> dict[str, float]:
    """The values that are numbers, by their names; others are left out.

    Args:
        reported: What is reported.
    """
    numbers: dict[str, float] = {}
    for name, value in reported.items():
        with suppress(NotNumeric):
            numbers[str(name)] = as_number(value)
    return numbers
