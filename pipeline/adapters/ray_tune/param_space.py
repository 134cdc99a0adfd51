"""Ray Tune's param_space as a space, and a trial's config in the form that the function expects."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.adapters.domains import choice, integers, is_json, label, labels
from pipeline.adapters.loops import line_of_text
from pipeline.adapters.parameters import parameter_name
from pipeline.adapters.ray_tune.sample_from import is_function
from pipeline.errors import Fault, InvalidJob
from pipeline.space import Domain, Grid, LogUniform, Normal, QUniform, Uniform


def space_of_ray(param_space: Mapping[str, Any], subject: str, file: str, source: str) -> dict[str, Any]:
    """The space of a param_space; nested parameters are `outer_inner`."""
    space: dict[str, Any] = {}
    faults = []
    for path, value in leaves(param_space):
        name = parameter_name("_".join(path))
        line = f"{file}, line {line_of_text(source, path[-1])}".removeprefix(", ")
        if name in space:
            allowed = f"must have another name: another hyperparameter has the same name in the tables, {name}"
            faults.append(Fault(line, ".".join(path), allowed))
            continue
        try:
            domain = domain_of_ray(value)
        except ValueError as error:
            faults.append(Fault(line, ".".join(path), str(error)))
            continue
        if domain is not None:
            space[name] = domain
    if faults:
        raise InvalidJob(subject, faults)
    return space


def config_of(space: Mapping[str, Any], config: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[str, Any]:
    """The config as the function expects it: nested, with the values that are not parameters."""
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
    """Whether Ray Tune draws a value of a param_space."""
    return type(value).__module__.startswith("ray.tune.search") or (
        isinstance(value, Mapping) and set(value) == {"grid_search"}
    )


def points_of(points: Iterable[Mapping[str, Any]], space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Configs of Ray Tune as configs of a space, without values that the space does not draw."""
    kept = [{name: one[name] for name in one if space[name].contains(one[name])} for one in _drawn(points, space)]
    return [one for one in kept if one]


def outside_of(points: Iterable[Mapping[str, Any]], space: Mapping[str, Any]) -> list[str]:
    """The values of configs of Ray Tune that are outside of their domains, each once as `name=value`."""
    outside = (f"{name}={value!r}" for one in _drawn(points, space) for name, value in one.items()
               if not space[name].contains(value))  # fmt: skip
    return list(dict.fromkeys(outside))


def _drawn(points: Iterable[Mapping[str, Any]], space: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The values of configs of Ray Tune whose names have a domain, as a config has them."""
    named = [{parameter_name("_".join(path)): value for path, value in leaves(point)} for point in points]
    return [
        {name: value if is_json(value) else label(value) for name, value in each.items()
         if isinstance(space.get(name), Domain) and not is_drawn(value)}
        for each in named
    ]  # fmt: skip


def leaves(space: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of a param_space with their places."""
    for name, value in space.items():
        path = (*above, str(name))
        if isinstance(value, Mapping) and set(value) != {"grid_search"} and value:
            yield from leaves(value, path)
        else:
            yield path, value


def domain_of_ray(value: Any) -> Any:
    """A domain of Ray Tune as one of tunepipe."""
    if isinstance(value, Mapping) and set(value) == {"grid_search"}:
        return Grid(tuple(labels(value["grid_search"])))
    if is_function(value):
        return None
    if not is_drawn(value):
        if _holds_drawn(value):
            raise ValueError("must not be a list with domains: put them into a dict, each with its own name")
        return value if is_json(value) else None
    kind = type(value).__name__
    sampler = value.get_sampler()
    quantum = getattr(sampler, "q", None)
    if quantum is not None:
        sampler = sampler.get_sampler()
    drawn = type(sampler).__name__.lower()
    if kind == "Categorical":
        return choice(labels(value.categories))
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


def _holds_drawn(value: Any) -> bool:
    if is_drawn(value):
        return True
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return any(map(_holds_drawn, inner))


def _original(domain: Any, value: Any) -> Any:
    """The value that a config stands for: a label becomes the object, a list a tuple."""
    values = domain.get("grid_search") if isinstance(domain, Mapping) else getattr(domain, "categories", None)
    for one in values or ():
        if isinstance(one, tuple) and list(one) == value:
            return one
        if not is_json(one) and label(one) == value:
            return one
    return value
