"""Hyperparameters of other libraries as a space: their ranges as domains, those under conditions in a Switch."""

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import Fault, InvalidJob
from pipeline.space import Choice, Domain, IntUniform, LogUniform, QUniform, Switch, Uniform, plain, walk

UNKNOWN_EPOCHS = 100
"""The epochs of a trial if nothing says how often its code reports; docs/migrating.md names the number."""

_MAX_VALUES = 1000
_MAX_LISTED = 64
_MAX_TRIED = 10


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A hyperparameter that a program has, with the values of others under which it has it."""

    name: str
    domain: Any
    line: str
    conditions: tuple[tuple[str, tuple[Any, ...]], ...] = ()


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


def listed(domain: Any) -> list[Any] | None:
    """The values of a domain that has few; None if it has many."""
    if isinstance(domain, Switch | Choice):
        return list(domain.values)
    if isinstance(domain, IntUniform):
        return [domain.nth(number) for number in range(domain.count)] if domain.count <= _MAX_LISTED else None
    return None if isinstance(domain, Domain) else [domain]


def tried(domain: Any) -> list[Any]:
    """The values of a domain that may lead to other hyperparameters: all of a few, the ends of many."""
    if isinstance(domain, IntUniform) and domain.count > _MAX_TRIED:
        return [domain.low, domain.nth(domain.count - 1)]
    return (listed(domain) or [])[:_MAX_TRIED]


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


def branch_text(value: Any) -> str:
    """The name of a value as a branch of a Switch."""
    text = re.sub(r"[^A-Za-z0-9_-]+", "_", str(value))
    return (text if text[:1].isalnum() else f"x{text}")[:63]


def value_in(config: Mapping[str, Any], name: str, domain: Any) -> Any:
    """A config's value of a program's hyperparameter: the value that a branch stands for. KeyError without one."""
    value = config[name] if name in config else config[parameter_name(name)]
    if isinstance(value, str) and isinstance(domain, Domain) and not domain.contains(value):
        return next((one for one in listed(domain) or () if branch_text(one) == value), value)
    return value


def space_of(found: Iterable[Hyperparameter], subject: str) -> dict[str, Any]:
    """A space of hyperparameters."""
    space: dict[str, Any] = {}
    names: dict[str, Hyperparameter] = {}
    faults: list[Fault] = []
    for one in found:
        name = parameter_name(one.name)
        other = names.setdefault(name, one)
        if other.name != one.name:
            allowed = f"must have another name: {other.name!r} ({other.line}) has the same name in the tables, {name}"
            faults.append(Fault(one.line, one.name, allowed))
            continue
        conditions = {parameter_name(parent): values for parent, values in one.conditions}
        try:
            if not conditions:
                space.setdefault(name, one.domain)
            elif not _add(space, parameter_name(one.conditions[-1][0]), conditions, name, one.domain):
                raise ValueError(f"must not depend on {one.conditions[-1][0]!r}, which is not found before it")
        except ValueError as error:
            faults.append(Fault(one.line, one.name, str(error)))
    if faults:
        raise InvalidJob(subject, faults)
    return space


def _add(space: dict[str, Any], parent: str, conditions: Mapping[str, tuple[Any, ...]], name: str, domain: Any) -> bool:
    """Add a parameter to the branches of its parent, at any depth of the space; False if the parent does not exist."""
    if parent in space:
        values = listed(space[parent])
        if values is None:
            raise ValueError(
                f"must depend on a hyperparameter with few values (a choice, a boolean, or at most {_MAX_LISTED} whole "
                f"numbers); {parent} is {space[parent]!r}"
            )
        if not isinstance(space[parent], Switch):
            branches: dict[str, dict[str, Any]] = {branch_text(value): {} for value in values}
            if len(branches) < len(values):
                raise ValueError(f"must depend on a hyperparameter whose values differ as {', '.join(branches)}")
            space[parent] = Switch(branches)
        for value in conditions[parent]:
            space[parent].branches.get(branch_text(value), {}).setdefault(name, domain)
        return True
    added = False
    for switch, inner in space.items():
        if isinstance(inner, Switch):
            allowed = {branch_text(value) for value in conditions.get(switch, inner.values)}
            for branch in allowed & set(inner.branches):
                added = _add(inner.branches[branch], parent, conditions, name, domain) or added
    return added


def start_configs(
    points: Iterable[Mapping[str, Any]], space: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """A program's first configs within a space, and as text, the values that the space does not have."""
    configs: list[dict[str, Any]] = []
    outside: dict[str, None] = {}
    parameters = {place.name: place for place in walk(space)}
    for point in points:
        given = {parameter_name(name): plain(value) for name, value in point.items()}
        config: dict[str, Any] = {}
        for name, place in parameters.items():
            if name not in given or any(config.get(switch, branch) != branch for switch, branch in place.when):
                continue
            value, domain = given[name], place.domain
            value = branch_text(value) if isinstance(domain, Switch) else value
            # Only where its branch is chosen, too.
            if isinstance(domain, Domain) and domain.contains(value) and all(one in config for one, _ in place.when):
                config[name] = value
            elif value != domain:
                outside[f"{name}={value!r}"] = None
        configs += [config] if config else []
    return configs, list(outside)
