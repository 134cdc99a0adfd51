"""Ray Tune's param_space as a space, and a trial's config in the form that the function expects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.adapters.domains import choice, integers
from pipeline.adapters.loops import line_of_text
from pipeline.adapters.parameters import parameter_name
from pipeline.errors import Fault, InvalidJob
from pipeline.space import Domain, Grid, LogUniform, Normal, QUniform, Uniform

__all__ = ["config_of", "is_drawn", "points_of", "space_of_ray"]

_ADDRESS = " at 0x"
"""What an object's text contains where it has no name: an address, which differs between processes."""


def space_of_ray(param_space: Mapping[str, Any], subject: str, file: str, source: str) -> dict[str, Any]:
    """The space of a param_space; nested parameters are `outer_inner`.

    Args:
        param_space: The param_space.
        subject: The function in words, for a message.
        file: The name of the program's file; empty without one.
        source: Its text, where the line of a parameter is found.

    Raises:
        InvalidJob: A parameter cannot be translated; names its line.
    """
    space: dict[str, Any] = {}
    faults = []
    for path, value in _leaves(param_space, ()):
        name = parameter_name("_".join(path))
        line = f"{file}, line {line_of_text(source, path[-1])}".removeprefix(", ")
        if name in space:
            allowed = f"must have another name: another hyperparameter has the same name in the tables, {name}"
            faults.append(Fault(line, ".".join(path), allowed))
            continue
        try:
            domain = _domain(value)
        except ValueError as error:
            faults.append(Fault(line, ".".join(path), str(error)))
            continue
        if domain is not None:
            space[name] = domain
    if faults:
        raise InvalidJob(subject, faults)
    return space


def config_of(space: Mapping[str, Any], config: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[str, Any]:
    """The config as the function expects it: nested, with the values that are no parameters.

    Args:
        space: The param_space, or a dict within it.
        config: The trial's config.
        above: The names of the dicts around it.
    """
    whole: dict[str, Any] = {}
    for name, value in space.items():
        path = (*above, str(name))
        if isinstance(value, Mapping) and set(value) != {"grid_search"} and value:
            whole[name] = config_of(value, config, path)
        elif (key := parameter_name("_".join(path))) in config:
            whole[name] = _original(value, config[key])
        else:
            whole[name] = value
    return whole


def is_drawn(value: Any) -> bool:
    """Whether Ray Tune draws a value of a param_space.

    Args:
        value: The value: a domain, a grid_search, or a fixed value.
    """
    return type(value).__module__.startswith("ray.tune.search") or (
        isinstance(value, Mapping) and set(value) == {"grid_search"}
    )


def points_of(points: Iterable[Mapping[str, Any]], space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Configs of Ray Tune as configs of a space, without values that the space does not draw.

    Args:
        points: The configs, nested as the param_space.
        space: The space.

    Returns:
        A config for each point that has at least one value of a domain.
    """
    named = [{parameter_name("_".join(path)): value for path, value in _leaves(point, ())} for point in points]
    whole = [{name: value if _is_json(value) else _label(value) for name, value in each.items()} for each in named]
    drawn = {name: domain for name, domain in space.items() if isinstance(domain, Domain)}
    kept = [{name: one[name] for name in one if name in drawn and drawn[name].contains(one[name])} for one in whole]
    return [one for one in kept if one]


def _leaves(space: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in space.items():
        path = (*above, str(name))
        if isinstance(value, Mapping) and set(value) != {"grid_search"} and value:
            yield from _leaves(value, path)
        else:
            yield path, value


def _domain(value: Any) -> Any:
    """A domain of Ray Tune as one of tunepipe; None for a value that only the function uses."""
    if isinstance(value, Mapping) and set(value) == {"grid_search"}:
        return Grid(tuple(_labels(value["grid_search"])))
    if not is_drawn(value):
        if _holds_drawn(value):
            raise ValueError("must not be a list with domains: put them into a dict, each with its own name")
        return value if _is_json(value) else None
    kind = type(value).__name__
    sampler = value.get_sampler()
    quantum = getattr(sampler, "q", None)
    if quantum is not None:
        sampler = sampler.get_sampler()
    drawn = type(sampler).__name__.lower()
    if kind == "Categorical":
        return choice(_labels(value.categories))
    if kind == "Function":
        raise ValueError(
            "must not be drawn by a function (tune.sample_from): put its parts into param_space, and combine them in "
            "the training function"
        )
    if kind == "Float" and "normal" in drawn and quantum is None:
        return Normal(sampler.mean, sampler.sd)
    if kind == "Float" and "log" in drawn and quantum is None:
        return LogUniform(value.lower, value.upper)
    if kind == "Float" and "log" not in drawn and "normal" not in drawn:
        low, high = value.lower, value.upper
        return Uniform(low, high) if quantum is None else QUniform(low, high, quantum)
    if kind == "Integer":
        low, high = int(value.lower), int(value.upper)
        step = int(quantum or 1)
        # Ray's upper end is excluded, unless values are quantised.
        high -= quantum is None
        low = -(-low // step) * step
        return integers(low, high, step, log="log" in drawn)
    raise ValueError(f"must be one of choice, uniform, loguniform, quniform, randn, randint, lograndint, qrandint and "
                     f"grid_search, and not {kind} with {type(sampler).__name__} and q={quantum}")  # fmt: skip


def _labels(values: Sequence[Any]) -> list[Any]:
    """The values; those that are not JSON values by their names.

    Raises:
        ValueError: Two of them have the same name, or one has none that another process would give it.
    """
    listed = [value.item() if hasattr(value, "item") else value for value in values]
    labels = [value if _is_json(value) else _label(value) for value in listed]
    unnamed = [label for value, label in zip(listed, labels, strict=True) if not _is_json(value)]
    if len(set(unnamed)) < len(unnamed) or any(_ADDRESS in label for label in unnamed):
        raise ValueError(
            "must be text, numbers, or functions and classes with names: choose between names, and look "
            "the objects up in the training function"
        )
    return labels


def _holds_drawn(value: Any) -> bool:
    if is_drawn(value):
        return True
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return any(map(_holds_drawn, inner))


def _label(value: Any) -> str:
    return str(getattr(value, "__name__", None) or repr(value))


def _original(domain: Any, value: Any) -> Any:
    """The value that a config stands for: a label becomes the object, a list a tuple."""
    values = domain.get("grid_search") if isinstance(domain, Mapping) else getattr(domain, "categories", None)
    for one in values or ():
        if isinstance(one, tuple) and list(one) == value:
            return one
        if not _is_json(one) and _label(one) == value:
            return one
    return value


def _is_json(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | float | str):
        return True
    if isinstance(value, list | tuple):
        return all(_is_json(each) for each in value)
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(each) for key, each in value.items())
    return False
