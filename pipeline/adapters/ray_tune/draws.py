"""The range of the values that a function of a program draws, as a domain of Ray Tune."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.adapters.domains import distinct
from pipeline.code import same_random_numbers
from pipeline.space import plain

_DRAWS = 1000
MAX_LISTED = 20
"""Up to this many different values are a choice even where they are numbers."""


def domain_of_draws(draw: Callable[[], Any]) -> Any:
    """The domain of a function's values, from 1,000 of them: a range of many numbers, a choice of others.

    A range is logarithmic where the middle of the values is nearer to the middle of their logarithms.
    """
    from ray import tune

    with same_random_numbers(0):
        drawn: list[Any] = [plain(draw()) for _ in range(_DRAWS)]
    values = distinct(drawn)
    kinds = {type(value) for value in values}
    if len(values) <= MAX_LISTED or not kinds <= {int, float}:
        return tune.choice(sorted(values, key=_order))
    low, high = min(values), max(values)
    logarithmic = _is_logarithmic(drawn)
    if kinds == {int}:
        return (tune.lograndint if logarithmic else tune.randint)(low, high + 1)
    return (tune.loguniform if logarithmic else tune.uniform)(low, high)


def _order(value: Any) -> tuple[str, Any]:
    return (str(type(value)), value if isinstance(value, int | float | str) else repr(value))


def _is_logarithmic(values: Sequence[float]) -> bool:
    low, high = min(values), max(values)
    if low <= 0:
        return False
    middle = statistics.median(values)
    linear = (middle - low) / (high - low)
    logarithmic = math.log(middle / low) / math.log(high / low)
    return abs(logarithmic - 0.5) < abs(linear - 0.5)
