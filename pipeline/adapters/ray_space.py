"""The param_space of a program of Ray Tune as a space, and a trial's config in the form that its function expects."""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.adapters.parameters import choice, distinct, integers, is_json, json_values, parameter_name
from pipeline.code.modules import same_random_numbers
from pipeline.space import Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Uniform, plain

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


def domain_of(value: Any) -> Any:
    """A value of a param_space as a domain, or a fixed value; None where a config does not have it."""
    if not is_drawn(value):
        inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
        if any(map(is_drawn, inner)):
            raise ValueError("must not be a list with domains: put them into a dict, each with its own name")
        return value if is_json(value) else None
    if isinstance(value, Mapping):
        return Grid(tuple(json_values(value["grid_search"])))
    kind = type(value).__name__
    if kind == "Function":
        try:
            return domain_of_draws((lambda: value.func(None)) if value.pass_config else value.func)
        except Exception:  # the function is the user's own
            raise ValueError("must not read other values in tune.sample_from: compute it in the function") from None
    sampler = value.get_sampler()
    quantum = getattr(sampler, "q", None)
    if quantum is not None:
        sampler = sampler.get_sampler()
    drawn = type(sampler).__name__.lower()
    normal, log = "normal" in drawn, "log" in drawn
    if kind == "Categorical":
        return choice(json_values(value.categories))
    if kind == "Integer":
        step = int(quantum or 1)
        # Ray's upper end is excluded, unless values are quantised.
        return integers(-(-int(value.lower) // step) * step, int(value.upper) - (quantum is None), step, log=log)
    if quantum is None:
        return (
            Normal(sampler.mean, sampler.sd) if normal else (LogUniform if log else Uniform)(value.lower, value.upper)
        )
    if not normal and not log:
        return QUniform(value.lower, value.upper, quantum)
    raise ValueError(f"must be one of choice, uniform, loguniform, quniform, randn, randint, lograndint, qrandint and "
                     f"grid_search, and not {kind} with {type(sampler).__name__} and q={quantum}")  # fmt: skip


def domain_of_draws(draw: Callable[[], Any]) -> Any:
    """The domain of a function's values, from 1,000 of them: a range of many numbers, a choice of others.

    A range is logarithmic where the middle of the values is nearer to the middle of their logarithms.
    """
    with same_random_numbers(0):
        drawn: list[Any] = [plain(draw()) for _ in range(_DRAWS)]
    values = distinct(drawn)
    kinds = {type(value) for value in values}
    if len(values) <= _MAX_LISTED or not kinds <= {int, float}:
        return Choice(tuple(sorted(values) if kinds <= {int, float} else sorted(values, key=repr)))
    low, high, middle = min(values), max(values), statistics.median(drawn)
    logarithmic = low > 0 and abs(math.log(middle / low) / math.log(high / low) - 0.5) < abs(
        (middle - low) / (high - low) - 0.5
    )
    if kinds == {int}:
        return IntUniform(low, high, log=logarithmic)
    return (LogUniform if logarithmic else Uniform)(low, high)


def config_of(space: Mapping[str, Any], config: Mapping[str, Any], above: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The config as the function expects it: nested, with the values that are not parameters."""
    whole: dict[str, Any] = {}
    for name, value in space.items():
        place = (*above, name)
        if isinstance(value, Mapping) and value and not is_drawn(value):
            whole[name] = config_of(value, config, place)
        else:
            whole[name] = config.get(name_of(place), value)
    return whole
