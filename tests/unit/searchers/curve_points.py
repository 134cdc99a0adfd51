"""Points of learning curves, drawn at random."""

import numpy as np

from pipeline.searchers.curve_process import Points

GROUPS = np.array([0, 1, 2, 2, 2])
"""Five axes of three parameters."""


def points_of(rng, count):
    """Points of a few trials, each at several epochs."""
    trial = np.sort(rng.integers(count // 2 + 1, size=count))
    x = rng.random((count // 2 + 1, len(GROUPS)))[trial]
    return Points(x, rng.uniform(0.02, 1.0, count), trial)
