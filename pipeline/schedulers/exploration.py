"""The hyperparameters that a population changes, and the domains in which it does."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, StrictStr, TypeAdapter, ValidationError, WithJsonSchema

from pipeline.errors import Fault
from pipeline.space import AnyDomain, Domain, Switch, Value, covers, drawn_names, key_of, plain, walk
from pipeline.wording import closest


def _read(value: object) -> object:
    if value is None or isinstance(value, str):
        return value if value is None else (value,)
    if isinstance(value, Mapping):
        return {str(name): _domain(str(name), domain) for name, domain in value.items()}
    if isinstance(value, Sequence) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise ValueError("must be a list of hyperparameters, or an object with a domain for each")


def _domain(name: str, value: object) -> Domain | None:
    if value is None:
        return None
    try:
        return _DOMAIN.validate_python(plain(value))
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        allowed = f"must have a domain for {name}, such as LogUniform(1e-4, 1e-1), or null for that of the space"
        raise ValueError(f"{allowed} ({why[:1].lower()}{why[1:]})") from None


_DOMAIN: TypeAdapter[Domain] = TypeAdapter(AnyDomain)

Explore: TypeAlias = Annotated[
    tuple[StrictStr, ...] | dict[StrictStr, AnyDomain | None] | None,
    BeforeValidator(_read),
    WithJsonSchema({"anyOf": [{"type": "array"}, {"type": "object"}, {"type": "null"}]}),
]
"""Names of hyperparameters, or name → domain, where None stands for that of the space; None for all of the space."""


def explored_domains(explore: Any) -> dict[str, Domain | None] | None:
    """The hyperparameters that a population may change, each with its domain."""
    if explore is None:
        return None
    return dict(explore) if isinstance(explore, Mapping) else dict.fromkeys(explore)


def changed_names(space: Mapping[str, Any], explore: Any) -> list[str]:
    """The names of the hyperparameters that change while a trial trains."""
    return [name for name in drawn_names(space) if explore is None or name in explore]


def explore_faults(space: Mapping[str, Any], explore: Any) -> list[Fault]:
    """What makes an `Explore` unfit for a space: names that it lacks, and domains beyond its own; empty if it fits."""
    domains, known = explored_domains(explore) or {}, list(dict.fromkeys(each.name for each in walk(space)))
    faults = []
    for name in domains:
        if name not in known:
            near = closest(name, known)
            meant = f"; did you mean {near}?" if near else ""
            faults.append(Fault("scheduler.explore", name, f"must name hyperparameters: {', '.join(known)}{meant}"))
    for parameter in walk(space):
        domain, field = domains.get(parameter.name), f"scheduler.explore.{parameter.name}"
        if domain is None or not parameter.drawn:
            continue
        if isinstance(parameter.domain, Switch) or isinstance(domain, Switch):
            faults.append(Fault(field, domain, "must be null: a Switch is explored with the branches of the space"))
        elif not covers(parameter.domain, domain):
            faults.append(Fault(field, domain, f"must be within space.{parameter.path}, which is {parameter.domain!r}"))
    return faults


def changes_text(before: Mapping[str, Value], after: Mapping[str, Value]) -> str:
    """The change of each parameter by an explore step, in words."""
    changes = []
    for name, value in after.items():
        old = before.get(name)
        if name not in before:
            changes.append(f"{name} {_short(value)}, new")
        elif key_of(value) == key_of(old):
            changes.append(f"{name} stays {_short(value)}")
        else:
            changes.append(f"{name} {_short(old)} → {_short(value)}")
    return ", ".join([*changes, *(f"{name} is removed" for name in before if name not in after)])


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
