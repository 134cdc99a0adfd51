"""The order of a study's trials: the best first.

Trials that did not fail come before failed ones, and trials with a finite value before those without one. Then the
smaller violation of the objectives' bounds decides, 0 within all of them; then the better value of the best epoch, then
the earlier epoch, then the earlier draw. A trial's best epoch is found in the same order. Driver, tables, SQL, views
and report all use this order.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt

from pipeline.schedulers import Mode
from pipeline.study.specification import UNKNOWN, Objective
from pipeline.text import DrawOrder, draw_order

RankingKey = tuple[bool, bool, float, float, int, DrawOrder]


def total_violation(values: Iterable[tuple[Objective, float | None]]) -> float:
    """How far values are beyond the bounds of their objectives, in total; 0 within all of them."""
    return sum(objective.violation(value) for objective, value in values)


def total_violations(
    objectives: Sequence[Objective], values: Callable[[Objective], npt.NDArray[np.float64]], *, rows: int
) -> npt.NDArray[np.float64]:
    """How far each row of a table is beyond the bounds of the objectives, in total; 0 within all of them."""
    total = np.zeros(rows)
    for one in objectives:
        if one.bounded:
            total += _violations(one, values(one))
    return total


def _violations(objective: Objective, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What `Objective.violation` returns for each value: half a million of them one by one take most of a second."""
    with np.errstate(over="ignore"):
        beyond = reduce(np.maximum, objective.beyond(values), np.zeros(len(values)))
    return np.where(np.isfinite(values), np.minimum(beyond, UNKNOWN), UNKNOWN)


def ranking_key(
    trial_id: str, value: float | None, best_epoch: int | None, *, failed: bool, mode: Mode, violation: float = 0.0
) -> RankingKey:
    """A sort key that puts the best trial first."""
    if value is None or best_epoch is None or not math.isfinite(value):
        return failed, True, 0.0, 0.0, 0, draw_order(trial_id)
    return failed, False, violation, -value if mode == "max" else value, best_epoch, draw_order(trial_id)


def ranking_order(
    values: npt.NDArray[np.float64],
    best_epochs: npt.NDArray[np.float64],
    *,
    failed: npt.NDArray[np.bool_],
    mode: Mode,
    violations: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """The order of `ranking_key` for all trials of a table together."""
    known = np.isfinite(values) & np.isfinite(best_epochs)
    losses = np.where(known, -values if mode == "max" else values, 0.0)
    # The first term decides last, and trials that are equal in all terms keep the order of their draws.
    terms = np.where(known, best_epochs, 0.0), losses, np.where(known, violations, 0.0), ~known, failed
    return np.lexsort(terms).astype(np.int64)


def ranking_sql(loss: str) -> list[str]:
    """The terms of an `order by` that puts the best trial first, in DuckDB's SQL."""
    known = f"coalesce(isfinite({loss}), false)"
    return [
        "state = 'failed'",
        f"not {known}",
        f"case when {known} then violation end nulls last",
        f"case when {known} then {loss} end nulls last",
        f"case when {known} then best_epoch end nulls last",
    ]
