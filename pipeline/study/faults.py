"""The fields of a job by the dotted path that a user writes: what is wrong with them, and changes by `--set`."""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from pipeline.errors import Fault
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS
from pipeline.space import DOMAINS, ParameterPath, Value, key_of, walk
from pipeline.study.specification import Budget, Checkpoints, Fit, Objective, Phase, Resources, StartFrom
from pipeline.text import closest

NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"

_PARTS: dict[str, type] = {
    "budget": Budget,
    "resources": Resources,
    "checkpoints": Checkpoints,
    "start_from": StartFrom,
    "fit": Fit,
    "objectives": Objective,
    "phases": Phase,
}
_KINDS: dict[str, Mapping[str, Any]] = {"scheduler": SCHEDULERS, "searcher": SEARCHERS}
_CLASSES: dict[str, Mapping[str, Any]] = {**_KINDS, "space": DOMAINS}

_PATTERNS = {
    "scheduler": "must be the path of a class in ray.tune.schedulers, as in ray.tune.schedulers.ASHAScheduler",
    "searcher": "must be the path of a class in ray.tune.search, as in ray.tune.search.optuna.OptunaSearch",
    "name": "must be at most 63 lower-case letters, digits, '.', '_' or '-', the first and last a letter or digit",
    "space": "must have a name of at most 63 lower-case letters, digits and '_' that begins with a letter",
}


def read_faults(error: ValidationError, fields: Sequence[str]) -> list[Fault]:
    faults: dict[str, Fault] = {}
    for item in error.errors(include_url=False):
        # The default of a field may depend on others, whose faults are in the list.
        if item["type"] != "default_factory_not_called":
            path, owner = _located(item["loc"])
            fault = _fault(path, item, fields if owner is None else fields_of(owner))
            faults.setdefault(fault.field, fault)
    return list(faults.values())


def _located(loc: tuple[int | str, ...]) -> tuple[list[str], type | None]:
    """The path without the branches of unions, which pydantic adds, and the class of its last field."""
    head, *rest = [str(part) for part in loc] or [""]
    if head not in _CLASSES:
        return [head, *rest], _PARTS.get(head)
    if head != "space":
        kinds = [part for part in rest if part in _CLASSES[head]]
        path = [head, *(part for part in rest if part not in (*kinds, "ray"))]
        return path, _CLASSES[head][kinds[-1]] if kinds else None
    path = [head]
    while True:
        # By position: a hyperparameter or a branch may have the name of a domain.
        match rest:
            case [name, "domain", "switch", "branches", branch, *rest]:
                path += [name, branch]
            case [name, "domain", kind, *below] if kind in DOMAINS:
                return [*path, name, *below], DOMAINS[kind]
            case [name, "domain" | "constant" | "[key]", *below]:
                return [*path, name, *below], None
            case _:
                return [*path, *rest], None


def _fault(path: list[str], item: Any, fields: Sequence[str]) -> Fault:
    kind, found = item["type"], item["input"]
    field, head = ".".join(path) or "''", path[0]
    if kind == "missing":
        return Fault(field, None, "must be given")
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return Fault(field, found, unknown("field", fields, path[-1]))
    if kind == "string_pattern_mismatch":
        return Fault(field, found, _PATTERNS[head])
    if head in ("space", *_KINDS) and kind.startswith(("union_tag", "dataclass", "is_instance", "model_attributes")):
        return _no_such_kind(field, head, found)
    message = item["msg"].removeprefix("Value error, ")
    return Fault(field, found, re.sub(r"^\w+ should ", "must ", message))


def _no_such_kind(field: str, head: str, found: Any) -> Fault:
    what, known = (head, _KINDS[head]) if head in _KINDS else ("domain", DOMAINS)
    named = found.get("kind") if isinstance(found, dict) else getattr(found, "kind", found)
    if isinstance(named, str):
        return Fault(field, named, unknown(what, known, named))
    if isinstance(found, dict) or head in _KINDS:
        return Fault(field, found, f"must name its kind, one of {', '.join(known)}")
    return Fault(
        field, found, f"must be a plain value or one of {', '.join(each.__name__ for each in DOMAINS.values())}"
    )


def fields_of(owner: object) -> list[str]:
    """The names of the fields of a dataclass that a user may set; empty for any other object."""
    if not dataclasses.is_dataclass(owner):
        return []
    return [field.name for field in dataclasses.fields(owner) if field.name != "kind"]


def unknown(what: str, known: Iterable[str], found: str) -> str:
    """A message that a name does not exist, with the existing names and a suggestion."""
    names = list(known)
    if not names:
        return f"no such {what}; there are none"
    owner = next((part.__name__ for part in _PARTS.values() if found in fields_of(part)), None)
    if what == "field" and owner is not None:
        meant = f"; {found} is a field of {owner}"
    else:
        near = closest(found, names, cutoff=0.5)
        meant = f"; did you mean {near}?" if near else ""
    return f"no such {what}; available: {', '.join(names)}{meant}"


def start_faults(space: Mapping[str, Any], config: Mapping[str, Value], path: str) -> Iterator[Fault]:
    """What is wrong with a config that a user gives, which may leave out hyperparameters."""
    parameters: dict[str, list[ParameterPath]] = {}
    for parameter in walk(space):
        parameters.setdefault(parameter.name, []).append(parameter)
    for name, value in config.items():
        field, known = f"{path}.{name}", parameters.get(name, [])
        here = next((parameter for parameter in known if parameter.is_present(config)), None)
        if not known:
            yield Fault(field, value, unknown("hyperparameter", parameters, name))
        elif here is None:
            needed = " or ".join(" and ".join(f"{s} {b!r}" for s, b in parameter.when) for parameter in known)
            yield Fault(field, value, f"requires also: {needed}")
        elif not here.drawn and key_of(value) != key_of(here.domain):
            yield Fault(field, value, f"must be {here.domain!r}, which the space fixes it at, or be left out")
        elif here.drawn and not here.domain.contains(value):
            yield Fault(field, value, f"must be a value of its domain, {here.domain!r}")


def apply_changes(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    result, faults = dict(fields), []
    # A part that is replaced precedes changes of its fields.
    for path in sorted(changes, key=lambda path: path.count(".")):
        try:
            result = _put(result, path.split("."), changes[path])
        except LookupError as error:
            faults.append(Fault(path, changes[path], error.args[0]))
    return result, faults


def _put(tree: Any, path: list[str], value: Any, above: str = "") -> Any:
    """A copy of `tree` with the value at `path`; the job checks the names of fields."""
    name, *rest = path
    if isinstance(tree, list | tuple):
        places = [str(place) for place in range(len(tree))]
        if name not in places:
            raise LookupError(unknown("position in the list", places, name))
        new = _put(tree[int(name)], rest, value, name) if rest else value
        return [*tree[: int(name)], new, *tree[int(name) + 1 :]]
    branches = _branches(tree)
    if branches is None:
        raise LookupError(f"no such field: {above} has no fields")
    if above not in ("", "space") and branches.get("kind") == "switch" and name not in ("kind", "branches"):
        # The path of a hyperparameter names the branch, as in faults.
        switch = dict(branches.get("branches", {}))
        if name not in switch:
            raise LookupError(unknown("branch", switch, name))
        switch[name] = _put(switch[name], rest, value, "space") if rest else value
        return {"kind": "switch", "branches": switch}
    if above == "space" and name not in branches:
        raise LookupError(unknown("hyperparameter", branches, name))
    if rest:
        below = branches.get(name, {})
        value = _put({} if below is None and name in _PARTS else below, rest, value, name)
    elif not above and name in _KINDS and isinstance(value, str):
        value = {"kind": value}
    return {**branches, name: value}


def _branches(tree: Any) -> dict[str, Any] | None:
    if isinstance(tree, Mapping):
        return dict(tree)
    names = fields_of(tree)
    if not names and not hasattr(tree, "kind"):
        return None
    kind = {"kind": tree.kind} if hasattr(tree, "kind") else {}
    return {**{name: getattr(tree, name) for name in names}, **kind}
