"""How many configs a space has, and each config of a finite space by its number."""

import math
from collections.abc import Mapping
from copy import deepcopy
from itertools import takewhile
from typing import Any

from pipeline.space.base import CountableDomain, Domain
from pipeline.space.domains import Switch
from pipeline.space.values import Config, Value


def combinations(space: Mapping[str, Any]) -> int | None:
    """The number of configs of a space; None if it is infinite because a real number is drawn."""
    sizes = [_size(domain) for domain in space.values()]
    return None if None in sizes else math.prod(size for size in sizes if size is not None)


def is_continuous(space: Mapping[str, Any]) -> bool:
    """Whether every config of a space has a drawn real number, so that no two configs are equal."""
    return any(_size(domain) is None and not isinstance(domain, Switch) for domain in space.values())


def combination(space: Mapping[str, Any], index: int) -> Config:
    """One of the configs of a space in which no real number is drawn."""
    digits: dict[str, int] = {}
    for name, domain in reversed(list(space.items())):
        index, digits[name] = divmod(index, _count(domain))
    config: Config = {}
    for name, domain in space.items():
        digit = digits[name]
        if isinstance(domain, Switch):
            for branch, inner in domain.branches.items():
                if digit < (size := _configs(inner)):
                    config |= {name: branch, **combination(inner, digit)}
                    break
                digit -= size
        else:
            config[name] = _nth(domain, digit)
    return config


def number_of(space: Mapping[str, Any], config: Mapping[str, Value]) -> int:
    """The number of a config among all combinations: the inverse of `combination`."""
    number = 0
    for name, domain in space.items():
        if isinstance(domain, Switch):
            before = takewhile(config[name].__ne__, domain.branches)
            digit = sum(_configs(domain.branches[other]) for other in before)
            digit += number_of(domain.branches[str(config[name])], config)
        else:
            digit = domain.number(config[name]) if isinstance(domain, CountableDomain) else 0
        number = number * _count(domain) + digit
    return number


def _size(domain: Any) -> int | None:
    """Number of values of a parameter, those in branches included; None if it is infinite."""
    if isinstance(domain, Switch):
        sizes = [combinations(inner) for inner in domain.branches.values()]
        return None if None in sizes else sum(size for size in sizes if size is not None)
    if isinstance(domain, CountableDomain):
        return domain.count
    return None if isinstance(domain, Domain) else 1


def _count(domain: Any) -> int:
    return _size(domain) or 1


def _configs(space: Mapping[str, Any]) -> int:
    return combinations(space) or 1


def _nth(domain: Any, number: int) -> Value:
    if isinstance(domain, CountableDomain):
        return domain.nth(number)  # type: ignore[no-any-return]
    return deepcopy(domain)  # type: ignore[no-any-return]
