"""Every parameter of a space, those in branches included, and what may be together in one space."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pipeline.errors import Fault
from pipeline.space.domains import (
    CountableDomain,
    Domain,
    IntUniform,
    ListedDomain,
    LogUniform,
    Normal,
    QUniform,
    Uniform,
)
from pipeline.space.parameters import Choice, Switch, listed_values
from pipeline.space.values import Value, key_of

When: TypeAlias = tuple[tuple[str, str], ...]
"""The switches above a parameter, the outermost first, and the branch of each."""

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class ParameterPath:
    """A parameter and its path in a space."""

    name: str
    domain: Any
    when: When = ()

    @property
    def path(self) -> str:
        """Its dotted path as in `--set`, without `space.`: `schedule.exponential.decay`."""
        return ".".join([*(part for pair in self.when for part in pair), self.name])

    @property
    def drawn(self) -> bool:
        """Whether it is drawn, and not fixed."""
        return isinstance(self.domain, Domain)

    def is_present(self, config: Mapping[str, Value]) -> bool:
        """Whether a config has the parameter."""
        return all(config.get(switch) == branch for switch, branch in self.when)


def walk(space: Mapping[str, Any], when: When = ()) -> Iterator[ParameterPath]:
    """Every parameter of a space, those of a switch's branches directly after it."""
    for name, domain in space.items():
        yield ParameterPath(name, domain, when)
        if isinstance(domain, Switch):
            for branch, inner in domain.branches.items():
                yield from walk(inner, (*when, (name, branch)))


def drawn_parameters(space: Mapping[str, Any]) -> list[ParameterPath]:
    """Every parameter of a space that is drawn, those in branches included."""
    return [parameter for parameter in walk(space) if parameter.drawn]


def drawn_names(space: Mapping[str, Any]) -> list[str]:
    """The names of all drawn parameters of a space, those in branches included, each once."""
    return list(dict.fromkeys(parameter.name for parameter in drawn_parameters(space)))


def flat(space: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter that a config may have, once: the parameters for which tables have columns."""
    domains: dict[str, Any] = {}
    for parameter in walk(space):
        known = domains.get(parameter.name, parameter.domain)
        widest = _joined(known, parameter.domain)
        domains[parameter.name] = known if widest is None else widest
    return domains


def fits(space: Mapping[str, Any], config: Mapping[str, Value]) -> bool:
    """Whether a config is one of a space: it has exactly the present parameters, each with a value of its domain."""
    return fitting(space)(config)


def fitting(space: Mapping[str, Any]) -> Callable[[Mapping[str, Value]], bool]:
    """A function that returns whether a config is one of a space, as `fits` does; it walks through the space once."""
    parameters = [(each, each.domain if each.drawn else Choice((each.domain,))) for each in walk(space)]

    def one_of(config: Mapping[str, Value]) -> bool:
        count = 0
        for parameter, domain in parameters:
            if parameter.when and not parameter.is_present(config):
                continue
            if parameter.name not in config or not domain.contains(config[parameter.name]):
                return False
            count += 1
        return count == len(config)

    return one_of


def conflicts(space: Mapping[str, Any]) -> list[Fault]:
    """The parameters that cannot be in one space together: they share a name at the same time, or differ in kind."""
    faults = []
    seen: dict[str, list[ParameterPath]] = {}
    for parameter in walk(space):
        if len(parameter.when) > _DEEPEST:
            return [Fault(f"space.{parameter.path}", parameter.domain, f"must lie within at most {_DEEPEST} switches")]
        for other in seen.setdefault(parameter.name, []):
            if not any(dict(other.when).get(switch, branch) != branch for switch, branch in parameter.when):
                allowed = f"must have another name: space.{other.path} may be present at the same time"
            elif _joined(other.domain, parameter.domain) is None:
                allowed = f"must have one kind in all branches, as space.{other.path}: {other.domain!r}"
            else:
                continue
            faults.append(Fault(f"space.{parameter.path}", parameter.domain, allowed))
            break
        seen[parameter.name].append(parameter)
    return faults


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


def _joined(one: Any, other: Any) -> Any:
    """A domain that covers both; None if there is none."""
    first, second = listed_values(one), listed_values(other)
    same = one == other if first is None or second is None else one == other and key_of(first) == key_of(second)
    if same and type(one) is type(other):
        return one
    if first is not None and second is not None:
        values = tuple({key_of(value): value for value in (*first, *second)}.values())
        return None if Choice(values).faults() else Choice(values)
    match one, other:
        case (Uniform(), Uniform()) | (LogUniform(), LogUniform()):
            return type(one)(min(one.low, other.low), max(one.high, other.high))
        case IntUniform(), IntUniform():
            step = math.gcd(one.step, other.step, one.low - other.low)
            return IntUniform(min(one.low, other.low), max(one.high, other.high), one.log and other.log, step)
        case QUniform(), QUniform():
            return QUniform(min(one.low, other.low), max(one.high, other.high), min(one.q, other.q))
        case Normal(), Normal():
            low, high = min(one.span[0], other.span[0]), max(one.span[1], other.span[1])
            return Normal((low + high) / 2, (high - low) / 6)
    return None
