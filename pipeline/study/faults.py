"""Pydantic's errors as faults, in words for the user: one fault for each field."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from pipeline.errors import Fault
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS
from pipeline.space import DOMAINS
from pipeline.study.field_names import fields_of, unknown
from pipeline.study.fit import Fit, Phase
from pipeline.study.specification import Budget, Checkpoints, Objective, Resources, StartFrom

NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
"""The allowed names of jobs and studies."""

_PARTS: dict[str, type] = {
    "budget": Budget,
    "resources": Resources,
    "checkpoints": Checkpoints,
    "start_from": StartFrom,
    "fit": Fit,
}
_LISTS: dict[str, type] = {"objectives": Objective, "phases": Phase}
_KINDS: dict[str, dict[str, Any]] = {"scheduler": SCHEDULERS, "searcher": SEARCHERS}

_PLAIN = {
    "missing": "must be given",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be finite",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_unicode": "must be text that can be written as UTF-8",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
    "value_error": "{error}",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
}

_EXAMPLES = {
    "objectives": 'objectives=[Objective("val_accuracy", "max")]',
    "phases": "phases=[Phase(at=3, prepare=unfreeze)]",
}

_PATTERNS = {
    "scheduler": "must be the path of a class in ray.tune.schedulers, as in ray.tune.schedulers.ASHAScheduler",
    "searcher": "must be the path of a class in ray.tune.search, as in ray.tune.search.optuna.OptunaSearch",
    "name": "must be at most 63 lower-case letters, digits, '.', '_' or '-', the first and last a letter or digit",
    "space": "must have a name of at most 63 lower-case letters, digits and '_' that begins with a letter",
}


def read_faults(error: ValidationError, fields: Sequence[str]) -> list[Fault]:
    """One fault for each field that pydantic refused."""
    faults: dict[str, Fault] = {}
    for item in error.errors(include_url=False):
        if item["type"] == "default_factory_not_called":
            # The default of a field depends on others, whose faults are in the list.
            continue
        path, owner = _located(item["loc"])
        fault = _fault(path, item, fields if owner is None else fields_of(owner))
        faults.setdefault(fault.field, fault)
    return list(faults.values())


def _located(loc: tuple[int | str, ...]) -> tuple[list[str], type | None]:
    """The dotted path as a user writes it, and the class of the last field; None for the job itself.

    Pydantic's path contains the branches of unions, which no user writes.
    """
    head, *rest = [str(part) for part in loc] or [""]
    if head in _KINDS and rest:
        return [head, *rest[1:]], _KINDS[head].get(rest[0])
    if head == "space" and rest:
        below, owner = _located_in_space(rest)
        return [head, *below], owner
    if head in _LISTS:
        return [head, *rest], _LISTS[head]
    return [head, *rest], _PARTS.get(head)


def _located_in_space(loc: Sequence[str]) -> tuple[list[str], type | None]:
    """The path below `space`: names of parameters, branches and fields of domains."""
    name, *rest = loc
    kind, inner = rest[1] if len(rest) > 1 else "", rest[2:]
    if kind == "switch" and inner[:1] == ["branches"] and len(inner) > 1:
        if len(inner) == 2 or inner[2] == "[key]":
            return [name, inner[1]], None
        below, owner = _located_in_space(inner[2:])
        return [name, inner[1], *below], owner
    return [name, *inner], DOMAINS.get(kind)


def _fault(path: list[str], item: Any, fields: Sequence[str]) -> Fault:
    kind, found, context = item["type"], item["input"], item.get("ctx", {})
    field = ".".join(path) or "''"
    if kind == "missing":
        return Fault(field, None, "must be given")
    if kind == "extra_forbidden" or kind == "unexpected_keyword_argument":
        return Fault(field, found, unknown("field", fields, path[-1]))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _no_such_kind(field, path[0], found)
    if kind == "string_pattern_mismatch":
        return Fault(field, found, _PATTERNS[path[0]])
    if kind == "tuple_type" and path[-1] in _LISTS:
        return Fault(field, found, f"must be a list, such as {_EXAMPLES[path[-1]]}")
    if kind in _PLAIN:
        return Fault(field, found, _PLAIN[kind].format(**context))
    if path[0] == "space":
        what = "an object of names, each with" if kind == "dict_type" else ""
        return Fault(field, found, " ".join(f"must be {what} a plain value or one of {_domains()}".split()))
    if fields and kind in ("dataclass_type", "model_type", "model_attributes_type", "dataclass_exact_type"):
        if path[0] in _KINDS:
            return _no_such_kind(field, path[0], found)
        return Fault(field, found, f"must be {_article(path[0])} with the fields {', '.join(fields)}")
    message = item["msg"].removeprefix("Input ")
    return Fault(field, found, message[:1].lower() + message[1:])


def _article(head: str) -> str:
    known = {"budget": "a Budget", "resources": "Resources", "objectives": "an Objective", "start_from": "a StartFrom"}
    known |= {"fit": "a Fit", "phases": "a Phase"}
    return known.get(head, "a TuneJob")


def _domains() -> str:
    return ", ".join(domain.__name__ for domain in DOMAINS.values())


def _no_such_kind(field: str, head: str, found: Any) -> Fault:
    known = _KINDS.get(head, DOMAINS)
    what = head if head in _KINDS else "domain"
    named = found.get("kind") if isinstance(found, dict) else getattr(found, "kind", found)
    if isinstance(named, str):
        return Fault(field, named, unknown(what, known, named))
    if isinstance(found, dict):
        return Fault(field, found, f"must name its kind, one of {', '.join(known)}")
    if head in _KINDS:
        return Fault(field, found, f"must be one of {', '.join(known)}; a {head} of Ray Tune {_PATTERNS[head]}")
    return Fault(field, found, f"must be a plain value or one of {_domains()}")
