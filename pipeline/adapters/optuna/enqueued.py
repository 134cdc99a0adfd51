"""The trials that a program enqueues, as configs of the space."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.adapters.domains import is_json, label
from pipeline.adapters.parameters import branch_text, parameter_name
from pipeline.space import Domain, Switch

__all__ = ["enqueued_configs"]


def enqueued_configs(
    enqueued: Iterable[Mapping[str, Any]], space: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The configs of enqueued trials, without the values that the space does not have.

    Args:
        enqueued: The values of each trial, by the objective's names.
        space: The space.

    Returns:
        A tuple: the configs that have at least one value, and the values that are left out, as `name=value`.
    """
    domains = dict(_domains(space))
    configs: list[dict[str, Any]] = []
    outside: dict[str, None] = {}
    for values in enqueued:
        config = {}
        for own, value in values.items():
            name = parameter_name(own)
            domain = domains.get(name)
            known = _known(value, domain)
            if isinstance(domain, Domain) and domain.contains(known):
                config[name] = known
            elif domain != known:
                outside[f"{own}={value!r}"] = None
        if config:
            configs.append(config)
    return configs, list(outside)


def _domains(space: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, domain in space.items():
        yield name, domain
        if isinstance(domain, Switch):
            for inner in domain.branches.values():
                yield from _domains(inner)


def _known(value: Any, domain: Any) -> Any:
    """A value as a config has it: the name of a branch, or of an object."""
    text = value if is_json(value) else label(value)
    return branch_text(text) if isinstance(domain, Switch) else text
