"""The rows of an epoch: their order, and the steps that take them."""

import math

import numpy as np


def order_of(rows: int, seed: int, model_epoch: int) -> np.ndarray:
    """The order of the rows in an epoch: from the seed and the epoch alone, so that there is no iterator to save."""
    return np.random.default_rng([seed, model_epoch]).permutation(rows).astype(np.int32)


def steps_of(rows: int, batch_size: int) -> int:
    """The number of steps in an epoch; the last one may be smaller."""
    return math.ceil(rows / batch_size)


def span_of(epoch: int, steps: int, steps_per_epoch: int | None) -> tuple[int, int, int]:
    """The steps of an epoch that begins where the previous one ended, as in fit: no epoch exceeds a pass."""
    most = min(steps, steps_per_epoch or steps)
    passes, place = divmod(epoch, math.ceil(steps / most))
    return passes, place * most, min((place + 1) * most, steps)
