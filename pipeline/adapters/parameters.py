"""Hyperparameters of other libraries as a space: their ranges as domains; one that only some trials use is in all."""

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import Fault, InvalidJob
from pipeline.space import Choice, Domain, IntUniform, LogUniform, QUniform, Uniform, plain

UNKNOWN_EPOCHS = 100
"""The epochs of a trial if nothing says how often its code reports; docs/migrating.md names the number."""

_MAX_VALUES = 1000
_MAX_TRIED = 10


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A hyperparameter that a program has."""

    name: str
    domain: Any
    line: str


def choice(values: Sequence[Any]) -> Any:
    """A choice between values; the value itself where there is one."""
    return Choice(tuple(values)) if len(values) > 1 else next(iter(values))


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
    if count > 1 and math.isclose(low / step, round(low / step), rel_tol=1e-12, abs_tol=1e-9):
        return QUniform(low, high, step)
    if count > _MAX_VALUES:
        raise ValueError(f"must have at most {_MAX_VALUES} steps if the smallest value is not a multiple of the step")
    return choice([float(f"{low + number * step:.12g}") for number in range(count)])


def identity(value: Any) -> str:
    """A key by which values are compared: 1 and True have two, a tuple and a list of the same values one."""
    return json.dumps(plain(value), sort_keys=True, default=repr)


def distinct(values: Iterable[Any]) -> list[Any]:
    """The values, each once."""
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(identity(value), value)
    return list(found.values())


def is_json(value: Any) -> bool:
    """Whether a value is one of JSON, where a tuple is a list."""
    if isinstance(value, list | tuple):
        return all(map(is_json, value))
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and is_json(each) for key, each in value.items())
    return value is None or isinstance(value, bool | int | float | str)


def json_values(values: Iterable[Any]) -> list[Any]:
    """Values as a config has them."""
    found = [plain(value) for value in values]
    if not all(map(is_json, found)):
        raise ValueError("must be text or numbers: choose between names, and look objects up in the training function")
    return found


def tried(domain: Any) -> list[Any]:
    """The values of a domain that may lead to other hyperparameters: all of a few, the ends of many."""
    if isinstance(domain, Choice):
        return list(domain.values[:_MAX_TRIED])
    if isinstance(domain, IntUniform):
        few = domain.count <= _MAX_TRIED
        return [domain.nth(number) for number in (range(domain.count) if few else (0, domain.count - 1))]
    return []


def explore(
    run: Callable[[Mapping[str, Any]], tuple[Mapping[str, Any], Iterable[Hyperparameter]]],
    *,
    limit: int,
    seconds: float = math.inf,
) -> None:
    """Run a program with its defaults, then with the other values of the hyperparameters that a run has found.

    `run` returns the values that it has used, and its hyperparameters. After `seconds` no other run begins.
    """
    due: list[Mapping[str, Any]] = [{}]
    known: set[str] = set()
    started = time.monotonic()
    for _ in range(limit):
        if not due or time.monotonic() - started > seconds:
            return
        used, found = run(due.pop(0))
        values = {name: plain(value) for name, value in used.items()}
        new = {one.name: one for one in found if one.name in values and one.name not in known}
        known |= set(new)
        others = {n: [value for value in tried(one.domain) if value != values[n]] for n, one in new.items()}
        # Together, too: a hyperparameter may depend on several others.
        due += [{**values, **{n: each[0] for n, each in others.items() if each}}] if any(others.values()) else []
        due += [{**values, n: value} for n, each in others.items() for value in each]


def parameter_name(name: str) -> str:
    """The name of a parameter in a space: lower-case letters, digits and `_`."""
    text = re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_") or "x"
    return (text if text[0].isalpha() else f"x_{text}")[:63]


def value_in(config: Mapping[str, Any], name: str) -> Any:
    """A config's value of a program's hyperparameter; KeyError without one."""
    return config[name] if name in config else config[parameter_name(name)]


def space_of(found: Iterable[Hyperparameter], subject: str) -> dict[str, Any]:
    """A space of hyperparameters, which may have been found several times."""
    names: dict[str, Hyperparameter] = {}
    faults: dict[str, Fault] = {}
    for one in found:
        name = parameter_name(one.name)
        other = names.setdefault(name, one)
        if other.name != one.name:
            allowed = f"must have another name: {other.name!r} ({other.line}) has the same name in the tables, {name}"
        elif repr(other.domain) != repr(one.domain):
            allowed = f"must always have the same range, not also {other.domain!r}: draw a share of the range instead"
        else:
            continue
        faults.setdefault(one.name, Fault(one.line, f"{one.name} in {one.domain!r}", allowed))
    if faults:
        raise InvalidJob(subject, list(faults.values()))
    return {name: one.domain for name, one in names.items()}


def start_configs(
    points: Iterable[Mapping[str, Any]], space: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """A program's first configs within a space, and as text, the values that the space does not have."""
    configs: list[dict[str, Any]] = []
    outside: list[str] = []
    for point in points:
        given = {parameter_name(name): plain(value) for name, value in point.items()}
        drawn = {name: domain for name, domain in space.items() if isinstance(domain, Domain) and name in given}
        configs.append({name: given[name] for name, domain in drawn.items() if domain.contains(given[name])})
        outside += [f"{name}={given[name]!r}" for name in drawn if name not in configs[-1]]
    return [config for config in configs if config], outside
