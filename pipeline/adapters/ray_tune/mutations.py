"""The hyperparameters that a population of Ray Tune changes, as a part of the param_space.

`PopulationBasedTraining` and `PB2` have them as separate arguments; the param_space may have a fixed value for
them, or none.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.adapters.ray_tune.draws import domain_of_draws
from pipeline.adapters.ray_tune.param_space import is_drawn

__all__ = ["with_mutations"]


def with_mutations(
    param_space: Mapping[str, Any], mutations: Mapping[str, Any], *, bounds: bool = False
) -> dict[str, Any]:
    """A param_space that draws what a scheduler changes, where it has a fixed value or none.

    A function that draws a value becomes the range of 1,000 of its values.

    Args:
        param_space: The param_space.
        mutations: Name → values, a domain, or a function without arguments; nested as the param_space.
        bounds: Whether two values are the ends of a range, as in PB2.

    Returns:
        The param_space with domains of Ray Tune for the names of `mutations`.
    """
    from ray import tune

    space = dict(param_space)
    for name, drawn in mutations.items():
        own = space.get(name)
        if isinstance(drawn, Mapping):
            space[name] = with_mutations(own if isinstance(own, Mapping) else {}, drawn, bounds=bounds)
        elif not is_drawn(own):
            values = list(drawn) if isinstance(drawn, list | tuple | set | range) else None
            if values is None:
                space[name] = domain_of_draws(drawn) if callable(drawn) and not is_drawn(drawn) else drawn
            else:
                space[name] = tune.uniform(*values) if bounds else tune.choice(values)
    return space
