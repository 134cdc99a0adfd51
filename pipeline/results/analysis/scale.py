"""Which axes are logarithmic: one rule for the report, the live page and notebooks."""

from typing import Any

from pipeline.space import Domain

DECADES = 2
"""An axis of values that span more decades is logarithmic."""


def spans_decades(low: float, high: float) -> bool:
    """Whether positive values span more than `DECADES`."""
    return bool(low > 0 and high > low * 10**DECADES)


def is_log(domain: Any) -> bool:
    """Whether the axis of a parameter is logarithmic: it is drawn by its logarithm, or may span more than `DECADES`.

    The bounds count, not the values of some trials: the axis stays as it is while a study grows.
    """
    if not isinstance(domain, Domain):
        return False
    return domain.logarithmic or (domain.bounds is not None and spans_decades(*domain.bounds))
