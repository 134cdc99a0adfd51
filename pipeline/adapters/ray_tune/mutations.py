"""The hyperparameters that a population of Ray Tune changes: their places in the param_space, and their values.

`PopulationBasedTraining` and `PB2` have them as separate arguments. The param_space may have a fixed value for them, a
domain of its own, from which the first values are drawn, or none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.domains import distinct
from pipeline.adapters.parameters import parameter_name
from pipeline.adapters.ray_tune.draws import domain_of_draws
from pipeline.adapters.ray_tune.param_space import domain_of_ray, is_drawn, leaves
from pipeline.adapters.ray_tune.sample_from import is_function
from pipeline.space import Choice, Domain, covers


@dataclass(frozen=True, slots=True)
class Mutations:
    """What a population changes."""

    space: dict[str, Any]
    explore: dict[str, Domain | None]
    first_values: dict[str, Any]
    faults: list[str]


def mutations_of(param_space: Mapping[str, Any], mutations: Mapping[str, Any], *, bounds: bool = False) -> Mutations:
    """The param_space of a population, and what it changes there.

    A function that draws a value is the range of 1,000 of its values. Where the first values are whole numbers, those
    to which they change are rounded, as in Ray Tune.
    """
    found = Mutations(_copied(param_space), {}, {}, [])
    for path, value in leaves(mutations):
        inner, last = _place(found.space, mutations, path)
        own, name = inner.get(last, _MISSING), parameter_name("_".join(path))
        own = _MISSING if is_function(own) else own
        try:
            drawn = _drawn(value, own, bounds=bounds)
            both = drawn if own is _MISSING else _covering(own, drawn)
            changed, covering = domain_of_ray(drawn), domain_of_ray(both)
        except ValueError as error:
            found.faults.append(f"{'.'.join(path)} {error}")
            continue
        inner[last] = both
        if not isinstance(covering, Domain):
            continue
        explored = changed if isinstance(changed, Domain) else Choice((changed,))
        found.explore[name] = None if explored == covering else explored
        first = domain_of_ray(own) if own is not _MISSING and is_drawn(own) else explored
        if own is not _MISSING and first != covering:
            found.first_values[name] = first
    return found


_MISSING: Any = object()


def _copied(space: Mapping[Any, Any]) -> dict[Any, Any]:
    return {
        name: _copied(value) if isinstance(value, Mapping) and not is_drawn(value) else value
        for name, value in space.items()
    }


def _place(space: dict[Any, Any], mutations: Any, path: tuple[str, ...]) -> tuple[dict[Any, Any], Any]:
    """The dict of a param_space that has a mutated hyperparameter, and its key there, which need not be text."""
    for text in path[:-1]:
        key = _key(text, space, mutations)
        if not isinstance(space.get(key), dict):
            space[key] = {}
        space, mutations = space[key], mutations[_key(text, mutations)]
    return space, _key(path[-1], space, mutations)


def _key(text: str, *places: Mapping[Any, Any]) -> Any:
    return next(key for place in places for key in place if str(key) == text)


def _drawn(value: Any, own: Any, *, bounds: bool) -> Any:
    """The values of a mutation as a domain of Ray Tune."""
    from ray import tune

    if isinstance(value, list | tuple | set | range):
        drawn = tune.uniform(*value) if bounds and len(set(value)) > 1 else tune.choice(list(value))
    else:
        drawn = domain_of_draws(value) if callable(value) and not is_drawn(value) else value
    domain = domain_of_ray(drawn)
    if own is _MISSING or not _is_whole(own) or _is_whole(drawn) or not isinstance(domain, Domain) or not domain.span:
        return drawn
    low, high = (round(end) for end in domain.span)
    return (tune.lograndint if domain.logarithmic and low > 0 else tune.randint)(low, high + 1)


def _covering(own: Any, drawn: Any) -> Any:
    """A domain of Ray Tune that has the values of two; one of the two if that is enough."""
    from ray import tune

    first, second = domain_of_ray(own), domain_of_ray(drawn)
    if covers(first, second):
        return own
    if covers(second, first):
        return drawn
    if (values := _listed(own)) is not None and (others := _listed(drawn)) is not None:
        return tune.choice(_ordered(distinct([*values, *others])))
    ends, others_ends = list(_ends(own)), list(_ends(drawn))
    if not ends or not others_ends:
        raise ValueError(f"must have values of one kind in the param_space and here; found {own!r} and {drawn!r}")
    low, high = min(*ends, *others_ends), max(*ends, *others_ends)
    logarithmic = low > 0 and any(isinstance(each, Domain) and each.logarithmic for each in (first, second))
    if _is_whole(own) and _is_whole(drawn):
        return (tune.lograndint if logarithmic else tune.randint)(low, high + 1)
    return (tune.loguniform if logarithmic else tune.uniform)(low, high)


def _ends(value: Any) -> Iterator[float]:
    """The ends of the numbers of a domain of Ray Tune, or of a fixed value; none where it has something else."""
    if (values := _listed(value)) is not None:
        numbers = [each for each in values if isinstance(each, int | float) and not isinstance(each, bool)]
        yield from numbers if len(numbers) == len(values) else ()
    else:
        domain = domain_of_ray(value)
        yield from (domain.span or ()) if isinstance(domain, Domain) else (domain,)


def _is_whole(value: Any) -> bool:
    domain = domain_of_ray(value)
    if (values := _listed(value)) is None and isinstance(domain, Domain):
        return domain.whole
    return all(isinstance(each, int) and not isinstance(each, bool) for each in values or [domain])


def _listed(value: Any) -> Sequence[Any] | None:
    """The values of a choice or a grid, or a fixed value alone; None for a range."""
    if not is_drawn(value):
        return [value]
    values = value["grid_search"] if isinstance(value, Mapping) else getattr(value, "categories", None)
    return None if values is None else list(values)


def _ordered(values: list[Any]) -> list[Any]:
    return sorted(values) if all(isinstance(value, int | float) for value in values) else values
