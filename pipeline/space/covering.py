"""Whether one domain contains every value of another."""

from typing import Any

from pipeline.space.base import CountableDomain, Domain, ListedDomain


def covers(outer: Any, inner: Any) -> bool:
    """Whether a config may have every value of one domain where it may have those of another."""
    if not isinstance(outer, Domain):
        return inner == outer and type(inner) is type(outer)
    if not isinstance(inner, Domain):
        return outer.contains(inner)
    if isinstance(inner, ListedDomain):
        return all(map(outer.contains, inner.values))
    if isinstance(inner, CountableDomain):
        if isinstance(outer, ListedDomain):
            return inner.count <= outer.count and all(outer.contains(inner.nth(n)) for n in range(inner.count))
        # Values with equal steps: those of the outer domain have equal steps, too, or no steps at all.
        return all(outer.contains(inner.nth(n)) for n in {0, min(1, inner.count - 1), inner.count - 1})
    if isinstance(outer, CountableDomain) or inner.bounds is None or outer.bounds is None:
        return not isinstance(outer, CountableDomain) and outer.bounds is None
    return outer.bounds[0] <= inner.bounds[0] and inner.bounds[1] <= outer.bounds[1]
