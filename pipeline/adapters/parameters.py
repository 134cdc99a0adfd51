"""Hyperparameters that were found by running code, as a space: those under conditions become branches of a Switch."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.domains import MAX_LISTED, listed
from pipeline.errors import Fault, InvalidJob
from pipeline.space import Domain, Switch


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A hyperparameter."""

    name: str
    domain: Any
    line: str
    conditions: tuple[tuple[str, tuple[Any, ...]], ...] = ()


def parameter_name(name: str) -> str:
    """The name of a parameter in a space: lower-case letters, digits and `_`."""
    text = re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_") or "x"
    return (text if text[0].isalpha() else f"x_{text}")[:63]


def branch_text(value: Any) -> str:
    """The name of a value as a branch of a Switch."""
    text = re.sub(r"[^A-Za-z0-9_-]+", "_", str(value))
    return (text if text[:1].isalnum() else f"x{text}")[:63]


def typed(value: Any, domain: Any) -> Any:
    """A config's value as the user's code has it: the name of a branch becomes the value that it stands for."""
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
        try:
            _place(space, name, one, dict(one.conditions))
        except ValueError as error:
            faults.append(Fault(one.line, one.name, str(error)))
    if faults:
        raise InvalidJob(subject, faults)
    return space


def _place(space: dict[str, Any], name: str, one: Hyperparameter, conditions: dict[str, tuple[Any, ...]]) -> None:
    if not one.conditions:
        space.setdefault(name, one.domain)
        return
    parent, values = one.conditions[-1]
    outer = {parameter_name(other): allowed for other, allowed in conditions.items() if other != parent}
    if not _add(space, parameter_name(parent), values, name, one.domain, outer):
        raise ValueError(f"must not depend on {parent!r}, which is not found before it")


def _add(
    space: dict[str, Any],
    parent: str,
    values: tuple[Any, ...],
    name: str,
    domain: Any,
    outer: Mapping[str, tuple[Any, ...]],
) -> bool:
    """Add a parameter to the branches of its parent, at any depth of the space; False if the parent does not exist."""
    added = False
    if parent in space:
        values_of_parent = listed(space[parent])
        if values_of_parent is None:
            raise ValueError(
                f"must depend on a hyperparameter with few values (a choice, a boolean, or at most {MAX_LISTED} whole "
                f"numbers); {parent} is {space[parent]!r}"
            )
        if len(values_of_parent) == 1:
            if values_of_parent[0] in values:
                space.setdefault(name, domain)
            return True
        if not isinstance(space[parent], Switch):
            branches: dict[str, dict[str, Any]] = {branch_text(value): {} for value in values_of_parent}
            if len(branches) < len(values_of_parent):
                raise ValueError(f"must depend on a hyperparameter whose values differ as {', '.join(branches)}")
            space[parent] = Switch(branches)
        for branch, inner in space[parent].branches.items():
            if branch in {branch_text(value) for value in values}:
                inner.setdefault(name, domain)
        return True
    for switch, inner_domain in space.items():
        if isinstance(inner_domain, Switch):
            allowed = {branch_text(value) for value in outer.get(switch, inner_domain.values)}
            for branch, inner in inner_domain.branches.items():
                if branch in allowed:
                    added = _add(inner, parent, values, name, domain, outer) or added
    return added
