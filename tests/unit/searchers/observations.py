"""Observations for the tests of searchers."""

from pipeline.searchers.base import Observation


def known(x: float, *curve: tuple[int, float], loss: float | None = None, ended: bool = False) -> Observation:
    """A trial with a value for `x`, a curve, and the best loss of it unless another is given."""
    best = min((value for _, value in curve), default=None) if loss is None else loss
    return Observation({"x": x}, "known", best, curve, ended=ended)
