"""The trials that a program enqueues, as configs of the space."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.adapters.domains import is_json, label
from pipeline.adapters.parameters import branch_text, parameter_name
from pipeline.space import Domain, Switch, walk


def enqueued_configs(
    enqueued: Iterable[Mapping[str, Any]], space: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The configs of enqueued trials, without the values that the space does not have."""
    configs: list[dict[str, Any]] = []
    outside: dict[str, None] = {}
    for values in enqueued:
        config, left_out = _config({parameter_name(own): value for own, value in values.items()}, space)
        outside |= {f"{own}={value!r}": None for own, value in values.items() if parameter_name(own) in left_out}
        if config:
            configs.append(config)
    return configs, list(outside)


def _config(values: Mapping[str, Any], space: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The values that a config has, and the names of those that are left out."""
    config: dict[str, Any] = {}
    settled: dict[str, bool] = {}
    for place in walk(space):
        name, domain = place.name, place.domain
        if name not in values:
            continue
        if any(config.get(switch, branch) != branch for switch, branch in place.when):
            settled.setdefault(name, True)
            continue
        known = _known(values[name], domain)
        if isinstance(domain, Domain):
            # Only where its branch is chosen, too.
            settled[name] = domain.contains(known) and all(switch in config for switch, _ in place.when)
            if settled[name]:
                config[name] = known
        else:
            settled[name] = domain == known
    return config, {name for name in values if not settled.get(name, False)}


def _known(value: Any, domain: Any) -> Any:
    """A value as a config has it: the name of a branch, or of an object."""
    text = value if is_json(value) else label(value)
    return branch_text(text) if isinstance(domain, Switch) else text
