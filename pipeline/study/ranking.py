"""The order of a study's trials: the best first.

Trials that did not fail come before failed ones, and trials with a finite value before those without one. Then the
smaller violation of the objectives' bounds decides, 0 within all of them; then the better value of the best epoch, then
the earlier epoch, then the earlier draw. A trial's best epoch is found in the same order. Driver, tables, SQL, views
and report all use this order.
"""

import math
from collections.abc import Iterable

from pipeline.schedulers import Mode
from pipeline.study.specification import Objective
from pipeline.text import DrawOrder, draw_order

RankingKey = tuple[bool, bool, float, float, int, DrawOrder]


def total_violation(values: Iterable[tuple[Objective, float | None]]) -> float:
    """How far values are beyond the bounds of their objectives, in total; 0 within all of them."""
    return sum(objective.violation(value) for objective, value in values)


def ranking_key(
    trial_id: str, value: float | None, best_epoch: int | None, *, failed: bool, mode: Mode, violation: float = 0.0
) -> RankingKey:
    """A sort key that puts the best trial first."""
    if value is None or best_epoch is None or not math.isfinite(value):
        return failed, True, 0.0, 0.0, 0, draw_order(trial_id)
    return failed, False, violation, -value if mode == "max" else value, best_epoch, draw_order(trial_id)


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
