"""Domains from the arguments that KerasTuner, Optuna and Ray Tune give for a hyperparameter.

A range with one value becomes that value.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.space import Choice, Domain, IntUniform, LogUniform, QUniform, Switch, Uniform, plain

MAX_LISTED = 64
"""A range of at most this many whole numbers is also listed as values."""

_ADDRESS = " at 0x"
"""What an object's text contains where it has no name: an address, which differs between processes."""

_MAX_VALUES = 1000
_MAX_PROBES = 8


def choice(values: Sequence[Any]) -> Any:
    """A choice between values; the value itself where there is one."""
    return Choice(tuple(values)) if len(values) > 1 else next(iter(values))


def identity(value: Any) -> str:
    """A key by which a program's values are compared: 1 and True have two, a tuple and a list of the
    same values one.
    """
    try:
        return json.dumps(value, sort_keys=True, default=_readable)
    except (TypeError, ValueError):
        return repr(value)


def _readable(value: Any) -> Any:
    scalar = plain(value)
    return repr(value) if scalar is value else scalar


def distinct(values: Iterable[Any]) -> list[Any]:
    """The values, each once."""
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(identity(value), value)
    return list(found.values())


def labels(values: Sequence[Any]) -> list[Any]:
    """The values; those that are not JSON values by their names."""
    whole = [plain(value) for value in values]
    named = [value if is_json(value) else label(value) for value in whole]
    unnamed = [str(text) for value, text in zip(whole, named, strict=True) if not is_json(value)]
    if len(set(unnamed)) < len(unnamed) or any(_ADDRESS in text for text in unnamed):
        raise ValueError(
            "must be text, numbers, or functions and classes with names: choose between names, and look "
            "the objects up in the training function"
        )
    return named


def label(value: Any) -> str:
    """The text that stands for an object which is not a JSON value: its name, if it has one."""
    return str(getattr(value, "__name__", None) or repr(value))


def is_json(value: Any) -> bool:
    """Whether a value is one of JSON, where a tuple is a list."""
    if value is None or isinstance(value, bool | int | float | str):
        return True
    if isinstance(value, list | tuple):
        return all(is_json(each) for each in value)
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and is_json(each) for key, each in value.items())
    return False


def integers(low: int, high: int, step: int = 1, *, log: bool = False) -> Any:
    """Whole numbers, both ends included."""
    return IntUniform(low, high, log=log, step=step) if high - low >= step else low


def floats(low: float, high: float, step: float | None = None, *, log: bool = False) -> Any:
    """Real numbers."""
    if high <= low:
        return low
    if step is None:
        return LogUniform(low, high) if log else Uniform(low, high)
    count = math.floor((high - low) / step + 1e-9) + 1
    on_grid = math.isclose(low / step, round(low / step), rel_tol=1e-12, abs_tol=1e-9)
    if count > 1 and on_grid:
        return QUniform(low, high, step)
    if count > _MAX_VALUES:
        raise ValueError(f"must have at most {_MAX_VALUES} steps if the smallest value is not a multiple of the step")
    return choice([float(f"{low + number * step:.12g}") for number in range(count)])


def listed(domain: Any) -> list[Any] | None:
    """The values of a domain that has few; None if it has many."""
    if isinstance(domain, Switch | Choice):
        return list(domain.values)
    if isinstance(domain, IntUniform):
        return [domain.nth(number) for number in range(domain.count)] if domain.count <= MAX_LISTED else None
    return None if isinstance(domain, Domain) else [domain]


def probes(domain: Any, *, few: int = 4) -> list[Any]:
    """The values of a domain that may lead to other hyperparameters: all of a few, the ends of many."""
    if isinstance(domain, Choice):
        return list(domain.values[:_MAX_PROBES])
    if isinstance(domain, IntUniform):
        if domain.count <= few:
            return [domain.nth(number) for number in range(domain.count)]
        return [domain.nth(domain.count - 1), domain.low]
    if isinstance(domain, Domain) and not isinstance(domain, QUniform):
        return [domain.from_unit(0.9)]
    return []
