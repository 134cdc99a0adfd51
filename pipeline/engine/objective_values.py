"""What a trial's epoch reached in all objectives."""

import math
from collections.abc import Sequence

from pipeline.engine.messages import EpochRow
from pipeline.schedulers import ObjectiveValues
from pipeline.storage.schema import MEASURES
from pipeline.study import Objective
from pipeline.study.ranking import total_violation
from pipeline.study.specification import UNKNOWN

Values = tuple[float | None, ...]
"""An epoch's value in each objective; None for one that is not finite or not reported."""


def values_in(row: EpochRow, objectives: Sequence[Objective]) -> Values:
    """An epoch's values: of a metric, or of the measured cost of that name."""
    values = []
    for objective in objectives:
        value = row.metrics.get(objective.metric)
        if value is None and objective.metric in MEASURES:
            value = getattr(row, objective.metric)
        values.append(float(value) if value is not None and math.isfinite(value) else None)
    return tuple(values)


def violation_in(row: EpochRow, objectives: Sequence[Objective]) -> float:
    """How far an epoch is beyond the bounds of the objectives, in total."""
    if not any(objective.bounded for objective in objectives):
        return 0.0
    return total_violation(zip(objectives, values_in(row, objectives), strict=True))


def objective_values_of(values: Values, objectives: Sequence[Objective]) -> ObjectiveValues:
    """How an epoch is compared: its values as losses, and its violation of the bounds."""
    pairs = list(zip(objectives, values, strict=True))
    losses = [UNKNOWN if value is None else min(max(one.loss(value), -UNKNOWN), UNKNOWN) for one, value in pairs]
    return ObjectiveValues(tuple(losses), min(total_violation(pairs), UNKNOWN))
