"""The param_space of a program of Ray Tune as a space, and a trial's config in the form that its function expects."""

import functools
import math
import statistics
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pipeline.adapters.parameters import choice, distinct, integers, is_json, labels, original, parameter_name
from pipeline.code import same_random_numbers
from pipeline.space import Grid, LogUniform, Normal, QUniform, Uniform, plain

_DRAWS = 1000
_MAX_LISTED = 20


def leaves(space: Mapping[Any, Any], above: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The values of a param_space with their places."""
    for name, value in space.items():
        if isinstance(value, Mapping) and value and not is_drawn(value):
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


def name_of(place: tuple[Any, ...]) -> str:
    """The name of a parameter at a place: `outer_inner`."""
    return parameter_name("_".join(map(str, place)))


def is_drawn(value: Any) -> bool:
    """Whether Ray Tune draws a value of a param_space."""
    return type(value).__module__.startswith("ray.tune.search") or (
        isinstance(value, Mapping) and set(value) == {"grid_search"}
    )


def is_function(value: Any) -> bool:
    """Whether a value of a param_space is from `tune.sample_from`."""
    return is_drawn(value) and type(value).__name__ == "Function"


def domain_of(value: Any) -> Any:
    """A value of a param_space as a domain, or a fixed value; None where a config does not have it."""
    if is_function(value):
        return None
    if not is_drawn(value):
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        if any(map(is_drawn, inner)):
            raise ValueError("must not be a list with domains: put them into a dict, each with its own name")
        return value if is_json(value) else None
    if isinstance(value, Mapping):
        return Grid(tuple(labels(value["grid_search"])))
    kind, sampler = type(value).__name__, value.get_sampler()
    quantum = getattr(sampler, "q", None)
    if quantum is not None:
        sampler = sampler.get_sampler()
    drawn = type(sampler).__name__.lower()
    normal, log = "normal" in drawn, "log" in drawn
    if kind == "Categorical":
        return choice(labels(value.categories))
    if kind == "Integer":
        step = int(quantum or 1)
        # Ray's upper end is excluded, unless values are quantised.
        return integers(-(-int(value.lower) // step) * step, int(value.upper) - (quantum is None), step, log=log)
    if quantum is None:
        if normal:
            return Normal(sampler.mean, sampler.sd)
        return (LogUniform if log else Uniform)(value.lower, value.upper)
    if not normal and not log:
        return QUniform(value.lower, value.upper, quantum)
    raise ValueError(f"must be one of choice, uniform, loguniform, quniform, randn, randint, lograndint, qrandint and "
                     f"grid_search, and not {kind} with {type(sampler).__name__} and q={quantum}")  # fmt: skip


def config_of(space: Mapping[str, Any], config: Mapping[str, Any], above: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The config as the function expects it: nested, with the values that are not parameters."""
    whole: dict[str, Any] = {}
    for name, value in space.items():
        place = (*above, name)
        if isinstance(value, Mapping) and value and not is_drawn(value):
            whole[name] = config_of(value, config, place)
        elif (key := name_of(place)) in config:
            # An object has its name in the config, and a tuple is a list there.
            values = value["grid_search"] if isinstance(value, Mapping) else getattr(value, "categories", None)
            whole[name] = original(values or (), config[key])
        else:
            whole[name] = value
    return whole


class _ValueRead(BaseException):
    """Ends a function of `tune.sample_from` when it reads a value that there is not yet."""


class _Values(dict[str, Any]):
    """The values of a config, also as attributes, and as those of `config`, as earlier versions of Ray have them."""

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name) if name in self or name != "config" else self
        if is_function(value):
            raise _ValueRead
        return _Values(value) if isinstance(value, dict) else value

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or a default."""
        return self[name] if name in self else default  # noqa: SIM401  (dict.get does not ask __getitem__)


class _Unreadable(dict[str, Any]):
    """A config of which nothing may be read."""

    def __getitem__(self, name: str) -> Any:
        raise _ValueRead

    __getattr__ = __contains__ = get = __getitem__  # type: ignore[assignment]


def with_draws(space: Mapping[str, Any]) -> dict[str, Any]:
    """A param_space in which each function that reads no other value is the range of what it draws."""
    drawn: dict[str, Any] = {}
    for name, value in space.items():
        drawn[name] = with_draws(value) if isinstance(value, Mapping) and not is_drawn(value) else value
        if is_function(value):
            function = value.func
            try:
                domain = domain_of_draws(functools.partial(function, _Unreadable()) if value.pass_config else function)
            except _ValueRead:
                continue
            drawn[name] = value if len(getattr(domain, "categories", ())) > _MAX_LISTED else domain
    return drawn


def domain_of_draws(draw: Callable[[], Any]) -> Any:
    """The domain of a function's values, from 1,000 of them: a range of many numbers, a choice of others.

    A range is logarithmic where the middle of the values is nearer to the middle of their logarithms.
    """
    from ray import tune

    with same_random_numbers(0):
        drawn: list[Any] = [plain(draw()) for _ in range(_DRAWS)]
    values = distinct(drawn)
    kinds = {type(value) for value in values}
    if len(values) <= _MAX_LISTED or not kinds <= {int, float}:
        return tune.choice(
            sorted(values, key=lambda value: (str(type(value)), value if kinds <= {int, float, str} else repr(value)))
        )
    low, high, middle = min(values), max(values), statistics.median(drawn)
    logarithmic = low > 0 and abs(math.log(middle / low) / math.log(high / low) - 0.5) < abs(
        (middle - low) / (high - low) - 0.5
    )
    if kinds == {int}:
        return (tune.lograndint if logarithmic else tune.randint)(low, high + 1)
    return (tune.loguniform if logarithmic else tune.uniform)(low, high)


def with_functions(config: dict[str, Any], seed: int) -> dict[str, Any]:
    """A config with the values of its functions, which draw the same values each time."""
    functions = {place: value for place, value in leaves(config) if is_function(value)}
    # Where functions read each other's values, each round computes at least one.
    for place in list(functions) * len(functions):
        if place not in functions:
            continue
        inner = config
        for name in place[:-1]:
            inner = inner[name]
        with same_random_numbers(zlib.crc32(f"{seed} {place}".encode())), suppress(_ValueRead):
            function = functions[place]
            inner[place[-1]] = function.func(_Values(config)) if function.pass_config else function.func()
            del functions[place]
    if functions:
        names = ", ".join(map(name_of, functions))
        raise ValueError(f"the functions of tune.sample_from read each other's values: {names}")
    return config
