"""The values of all objectives in an epoch."""

import math
from dataclasses import replace

from pipeline.engine.objective_values import objective_values_of, values_in, violation_in
from pipeline.schedulers import ObjectiveValues
from pipeline.study import Objective
from pipeline.study.specification import UNKNOWN
from tests.unit.execution.recorded_curves import row

_OBJECTIVES = [Objective("score", "max", at_least=0.5), Objective("parameters", "min", at_most=100)]


def test_values_are_metrics_or_measured_costs() -> None:
    """An objective's value is the metric or else the measured cost, and is missing if it is not a finite number."""
    measured = replace(row(1, 0.4), parameters=150)
    assert values_in(measured, _OBJECTIVES) == (0.4, 150.0)
    assert values_in(row(1, math.nan, parameters=7.0), _OBJECTIVES) == (None, 7.0)
    assert values_in(row(1, 0.4), [Objective("other", "min")]) == (None,)


def test_violations_are_shares_of_the_bounds() -> None:
    """A violation sums how far each value is beyond its bound, and a missing value is beyond every bound."""
    measured = replace(row(1, 0.4), parameters=150)
    assert violation_in(measured, _OBJECTIVES) == (0.5 - 0.4) / 0.5 + 0.5
    assert violation_in(replace(measured, parameters=None), _OBJECTIVES) >= UNKNOWN
    assert violation_in(measured, [Objective("score", "max")]) == 0.0


def test_objective_values_are_finite() -> None:
    """Losses are signed so that less is better, and a missing value is a finite loss that JSON can hold."""
    assert objective_values_of((0.6, 50.0), _OBJECTIVES) == ObjectiveValues((-0.6, 50.0), 0.0)
    missing = objective_values_of((0.6, None), _OBJECTIVES)
    assert (missing.losses[1], missing.violation) == (UNKNOWN, UNKNOWN)
