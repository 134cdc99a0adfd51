"""The metrics that a function yields, as numbers by name."""

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pipeline.errors import ModelError
from pipeline.training.metrics import ALLOWED, NotNumeric, as_number, shown


class YieldedMetrics:
    """Reads the metrics that a function yields."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._beyond: set[str] = set()

    def numbers(self, yielded: Any, step: int) -> dict[str, float]:
        """The metrics of a step, by name."""
        if not isinstance(yielded, Mapping) or not yielded:
            found = f"yielded {type(yielded).__name__} {shown(yielded)}"
            raise self.refused(step, found, "a dict of metric names and numbers is allowed")
        metrics: dict[str, float] = {}
        for key, value in yielded.items():
            name = str(key)
            if not name.strip() or name in metrics or not _is_writable(name):
                allowed = "each metric needs its own name, a text that can be written as UTF-8"
                raise self.refused(step, f"yielded a metric with the name {shown(key)}", allowed)
            try:
                metrics[name] = as_number(value)
            except NotNumeric as error:
                raise self.refused(step, f"yielded {name} as {error}, {shown(value)},", ALLOWED) from None
            huge = isinstance(value, int | Decimal | Fraction) and math.isinf(metrics[name])
            if huge and name not in self._beyond:
                self._beyond.add(name)
                print(f"tunepipe: {name} exceeds the range of a float, and counts as {metrics[name]}.")
        return metrics

    def refused(self, step: int, yielded: str, allowed: str) -> ModelError:
        """The error of a step that cannot be used."""
        return ModelError(f"The function {self._function} {yielded} at step {step}; {allowed}.")


def _is_writable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name
