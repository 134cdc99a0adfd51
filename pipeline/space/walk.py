"""Every parameter a space may come to have, wherever it stands, and what two branches must agree on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pipeline.errors import Fault
from pipeline.space.choices import Choice, Grid
from pipeline.space.domains import Switch
from pipeline.space.numeric import IntUniform, LogUniform, Normal, QUniform, Uniform
from pipeline.space.values import Scalar

__all__ = ["Place", "When", "conflicts", "fits", "flat", "walk"]

When: TypeAlias = tuple[tuple[str, str], ...]
"""Under which switches a parameter stands, the outermost first, and on which branch of each."""

_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter stands in a space.

    Args:
        name: The parameter.
        domain: Its domain, or a plain value.
        when: What must have been drawn for it to be there.
    """

    name: str
    domain: Any
    when: When = ()

    @property
    def path(self) -> str:
        """Where it stands as `--set` writes it, without `space.`: `schedule.exponential.decay`."""
        return ".".join([*(part for pair in self.when for part in pair), self.name])

    @property
    def drawn(self) -> bool:
        """Whether it is drawn, and not fixed."""
        return hasattr(self.domain, "draw")

    def there(self, config: Mapping[str, Scalar]) -> bool:
        """Whether a config with these values has it."""
        return all(config.get(switch) == branch for switch, branch in self.when)


def walk(space: Mapping[str, Any], when: When = ()) -> Iterator[Place]:
    """Every parameter of a space, those of a switch's branches right after it.

    Args:
        space: The space.
        when: Where it stands itself.
    """
    for name, domain in space.items():
        yield Place(name, domain, when)
        if isinstance(domain, Switch):
            for branch, inner in domain.branches.items():
                yield from walk(inner, (*when, (name, branch)))


def flat(space: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter a config may have, once: what the tables have columns for.

    Args:
        space: The space.

    Returns:
        Name → domain or plain value; where several branches have a parameter, a domain that reaches over all of them.
    """
    found: dict[str, Any] = {}
    for place in walk(space):
        known = found.get(place.name, place.domain)
        widest = _joined(known, place.domain)
        found[place.name] = known if widest is None else widest
    return found


def fits(space: Mapping[str, Any], config: Mapping[str, Scalar]) -> bool:
    """Whether a config is one of a space: a value that its domain contains for each parameter there, and no other."""
    there = {place.name: place for place in walk(space) if place.there(config)}
    return there.keys() == config.keys() and all(
        place.domain.contains(config[name]) if place.drawn else config[name] == place.domain
        for name, place in there.items()
    )


def conflicts(space: Mapping[str, Any]) -> list[Fault]:
    """What cannot stand together in a space: names that could be there twice, or mean two kinds of thing."""
    faults = []
    seen: dict[str, list[Place]] = {}
    for place in walk(space):
        if len(place.when) > _DEEPEST:
            return [Fault(f"space.{place.path}", place.domain, f"must lie within at most {_DEEPEST} switches")]
        for other in seen.setdefault(place.name, []):
            if not _apart(place.when, other.when):
                allowed = f"must be called otherwise: space.{other.path} may be there at the same time"
            elif _joined(other.domain, place.domain) is None:
                allowed = f"must be of one kind wherever it is called so, as space.{other.path}: {other.domain!r}"
            else:
                continue
            faults.append(Fault(f"space.{place.path}", place.domain, allowed))
            break
        seen[place.name].append(place)
    return faults


def _apart(one: When, other: When) -> bool:
    """Whether a config can be in one of two places alone."""
    return any(dict(other).get(switch, branch) != branch for switch, branch in one)


def _joined(one: Any, other: Any) -> Any:
    """A domain that reaches over both; None where there is none."""
    if one == other and type(one) is type(other):
        return one
    first, second = _listed(one), _listed(other)
    if first is not None and second is not None:
        values = tuple({(type(value), value): value for value in (*first, *second)}.values())
        return None if Choice(values).fault() else Choice(values)
    match one, other:
        case (Uniform(), Uniform()) | (LogUniform(), LogUniform()):
            return type(one)(min(one.low, other.low), max(one.high, other.high))
        case IntUniform(), IntUniform():
            return IntUniform(min(one.low, other.low), max(one.high, other.high), one.log and other.log)
        case QUniform(), QUniform():
            return QUniform(min(one.low, other.low), max(one.high, other.high), min(one.q, other.q))
        case Normal(), Normal():
            low = min(one.mean - 3 * one.std, other.mean - 3 * other.std)
            high = max(one.mean + 3 * one.std, other.mean + 3 * other.std)
            return Normal((low + high) / 2, (high - low) / 6)
    return None


def _listed(domain: Any) -> tuple[Scalar, ...] | None:
    if isinstance(domain, Choice | Grid | Switch):
        return domain.values
    return None if hasattr(domain, "draw") else (domain,)
