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
from pipeline.trial_ids import DrawOrder, draw_order

__all__ = ["RankingKey", "ranking_key", "ranking_order", "ranking_sql", "total_violation", "total_violations"]

RankingKey = tuple[bool, bool, float, float, int, DrawOrder]


def total_violation(values: Iterable[tuple[Objective, float | None]]) -> float:
    """How far values are beyond the bounds of their objectives, in total; 0 within all of them.

    Args:
        values: Each objective, and the value in it; None if there is none.
    """
    return sum(objective.violation(value) for objective, value in values)


def total_violations(
    objectives: Sequence[Objective], values: Callable[[Objective], npt.NDArray[np.float64]], *, rows: int
) -> npt.NDArray[np.float64]:
    """How far each row of a table is beyond the bounds of the objectives, in total; 0 within all of them.

    Args:
        objectives: The study's objectives.
        values: Returns the values of an objective with a bound, shape (rows,); NaN where there is none.
        rows: The number of rows.

    Returns:
        Shape (rows,), in the units of the objectives, 0 or more.
    """
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
    """A sort key that puts the best trial first.

    Args:
        trial_id: The trial.
        value: The objective at its best epoch; a value that is not finite counts as none.
        best_epoch: That epoch.
        failed: Whether the trial failed.
        mode: Whether more or less of the objective is better.
        violation: The total violation of the objectives' bounds at that epoch.

    Returns:
        A key that sorts before the keys of worse trials; keys of different trials are never equal.
    """
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
    """The order of `ranking_key` for all trials of a table together.

    Args:
        values: The objective at each trial's best epoch, the trials in the order of their draws.
        best_epochs: Those epochs; NaN where there is none.
        failed: Whether each trial failed.
        mode: Whether more or less of the objective is better.
        violations: The total violation of the objectives' bounds at each best epoch.

    Returns:
        Positions of the trials, the best first, of shape (len(values),).
    """
    known = np.isfinite(values) & np.isfinite(best_epochs)
    losses = np.where(known, -values if mode == "max" else values, 0.0)
    # The first term decides last, and trials that are equal in all terms keep the order of their draws.
    terms = np.where(known, best_epochs, 0.0), losses, np.where(known, violations, 0.0), ~known, failed
    return np.lexsort(terms).astype(np.int64)


def ranking_sql(loss: str) -> list[str]:
    """The terms of an `order by` that puts the best trial first, in DuckDB's SQL.

    Args:
        loss: The expression of the objective, negated where more is better, over the table `trials`.

    Returns:
        Terms without the last one: rows that tie keep the order of the draws if the table has it, with `rowid`.
    """
    known = f"coalesce(isfinite({loss}), false)"
    return [
        "state = 'failed'",
        f"not {known}",
        f"case when {known} then violation end nulls last",
        f"case when {known} then {loss} end nulls last",
        f"case when {known} then best_epoch end nulls last",
    ]
