"""Values of a param_space that functions give: `tune.sample_from`.

A function that reads no other value draws: the range of what it draws is searched. One that reads other values is
called in each trial, with the values of its config.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.adapters.ray_tune.draws import MAX_LISTED, domain_of_draws
from pipeline.code import same_random_numbers


class _ValueRead(BaseException):
    """Ends a function when it first reads another value. No `except Exception` of the function stops it."""


class _FunctionPending(Exception):
    """A function reads the value of another one that has none yet."""


class _UnreadableConfig:
    """The values of a config: reading one ends the function."""

    def __getattr__(self, name: str) -> Any:
        raise _ValueRead

    def __getitem__(self, name: str) -> Any:
        raise _ValueRead

    def __iter__(self) -> Iterator[Any]:
        raise _ValueRead

    def __contains__(self, name: str) -> bool:
        raise _ValueRead


class _ConfigValues(dict[str, Any]):
    """The values of a config, also as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if is_function(value):
            raise _FunctionPending(name)
        return _ConfigValues(value) if isinstance(value, dict) else value

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or a default."""
        try:
            return self[name]
        except KeyError:
            return default


def is_function(value: Any) -> bool:
    """Whether a value of a param_space is from `tune.sample_from`."""
    return type(value).__module__.startswith("ray.tune.search") and type(value).__name__ == "Function"


def with_draws(space: Mapping[str, Any]) -> dict[str, Any]:
    """A param_space in which each function that reads no other value is a domain of Ray Tune."""
    drawn: dict[str, Any] = {}
    for name, value in space.items():
        if isinstance(value, Mapping) and set(value) != {"grid_search"}:
            drawn[name] = with_draws(value)
        else:
            drawn[name] = _domain(value) if is_function(value) else value
    return drawn


def places_of_functions(space: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where a param_space has functions."""
    for name, value in space.items():
        if isinstance(value, Mapping):
            yield from places_of_functions(value, (*above, name))
        elif is_function(value):
            yield (*above, name)


def compute_functions(config: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """A config with the values of its functions, which draw the same values each time."""
    whole = _copied(config)
    while due := list(places_of_functions(whole)):
        known = [place for place in due if _compute(whole, place, seed)]
        if not known:
            names = ", ".join(".".join(map(str, place)) for place in due)
            raise ValueError(f"the functions of tune.sample_from read each other's values: {names}")
    return whole


def _domain(value: Any) -> Any:
    function = (lambda: value.func(_UnreadableConfig())) if value.pass_config else value.func
    try:
        domain = domain_of_draws(function)
    except _ValueRead:
        return value
    return value if len(getattr(domain, "categories", ())) > MAX_LISTED else domain


def _copied(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, dict) else value for name, value in config.items()}


def _compute(config: dict[str, Any], place: tuple[str, ...], seed: int) -> bool:
    """Set the value of a function; False if another one comes first."""
    *outer, last = place
    inner = config
    for each in outer:
        inner = inner[each]
    with same_random_numbers(zlib.crc32(f"{seed} {place}".encode())):
        try:
            inner[last] = _value(inner[last], config)
        except _FunctionPending:
            return False
    return True


def _value(function: Any, config: dict[str, Any]) -> Any:
    """What a function returns, called as Ray calls it: with the config, or with a spec that has it."""
    if not function.pass_config:
        return function.func()
    call: Callable[[Any], Any] = function.func
    try:
        return call(_ConfigValues(config))
    except (AttributeError, KeyError):
        return call(_ConfigValues({"config": config}))
