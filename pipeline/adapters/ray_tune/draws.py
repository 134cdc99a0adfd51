"""The range of the values that a function of a program draws, as a domain of Ray Tune."""

import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.adapters.domains import distinct
from pipeline.space.values import plain

__all__ = ["MOST_LISTED", "domain_of_draws", "same_random_numbers"]

_DRAWS = 1000
MOST_LISTED = 20
"""So many different values, and no more, are a choice even where they are numbers."""


def domain_of_draws(draw: Callable[[], Any]) -> Any:
    """The domain of a function's values, from 1,000 of them: a range of many numbers, a choice of others.

    A range is logarithmic where the middle of the values is nearer to the middle of their logarithms.

    Args:
        draw: The function; it draws from the generators of Python and NumPy.

    Returns:
        A domain of Ray Tune, the same each time.
    """
    from ray import tune

    with same_random_numbers(0):
        drawn: list[Any] = [plain(draw()) for _ in range(_DRAWS)]
    values = distinct(drawn)
    kinds = {type(value) for value in values}
    if len(values) <= MOST_LISTED or not kinds <= {int, float}:
        return tune.choice(sorted(values, key=_order))
    low, high = min(values), max(values)
    logarithmic = _is_logarithmic(drawn)
    if kinds == {int}:
        return (tune.lograndint if logarithmic else tune.randint)(low, high + 1)
    return (tune.loguniform if logarithmic else tune.uniform)(low, high)


@contextmanager
def same_random_numbers(seed: int) -> Iterator[None]:
    """A context in which the generators of Python and NumPy begin at the same numbers; they get their states back.

    Args:
        seed: Where they begin.
    """
    import numpy as np

    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


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
