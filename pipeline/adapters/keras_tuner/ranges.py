"""The ranges of KerasTuner's `Int` and `Float`: in steps, or in ratios where they are sampled logarithmically."""

from collections.abc import Mapping
from typing import Any

from pipeline.adapters.domains import choice, floats, integers
from pipeline.space import CountableDomain, Domain, Grid, Switch

_VALUES = 10


def number_domain(
    kind: type[int] | type[float], low: float, high: float, step: float | None, sampling: str | None
) -> Any:
    """The domain of `Int` or `Float`."""
    log = _is_log(sampling)
    if log and step is not None and high > low:
        return choice([kind(value) for value in _geometric(low, high, step)])
    if kind is int:
        return integers(int(low), int(high), int(step or 1), log=log)
    return floats(low, high, step, log=log)


def finite(space: Mapping[str, Any]) -> dict[str, Any]:
    """A space in which each range of real numbers is ten evenly spaced values, as in a GridSearch of KerasTuner."""
    return {name: _finite(domain) for name, domain in space.items()}


def _finite(domain: Any) -> Any:
    if isinstance(domain, Switch):
        return Switch({branch: finite(inner) for branch, inner in domain.branches.items()})
    if not isinstance(domain, Domain) or isinstance(domain, CountableDomain):
        return domain
    return Grid(tuple(domain.from_unit((number + 0.5) / _VALUES) for number in range(_VALUES)))


def _is_log(sampling: str | None) -> bool:
    if sampling not in (None, "linear", "log"):
        raise ValueError(f"must be sampled linearly or logarithmically, not by {sampling!r}")
    return sampling == "log"


def _geometric(low: float, high: float, factor: float) -> list[float]:
    values = []
    value = low
    while value <= high * (1 + 1e-12):
        values.append(value)
        value *= factor
        if factor <= 1:
            break
    return values
