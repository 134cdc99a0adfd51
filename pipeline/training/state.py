"""Everything a model in training needs to go on exactly: its variables, its optimiser's, and its seed generators'."""

from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np

from pipeline.errors import ModelError

__all__ = ["architecture", "describe", "load_variables", "random_ops", "save_variables", "variables_of"]


def variables_of(model: Any) -> list[Any]:
    """A model's variables in their order, seed generators' included, then the optimiser's."""
    return [*model.variables, *model.optimizer.variables]


def save_variables(variables: Sequence[Any]) -> list[np.ndarray]:
    """A copy of every value."""
    values = (variable.value if isinstance(variable, keras.Variable) else variable for variable in variables)
    return [np.array(value.numpy()) for value in values]


def describe(variables: Sequence[Any]) -> list[dict[str, Any]]:
    """Path, shape and type of each, by which a state is known to fit."""
    return [
        {
            "path": variable.path if isinstance(variable, keras.Variable) else variable.name,
            "shape": [int(size) for size in variable.shape],
            "dtype": str(getattr(variable.dtype, "name", variable.dtype)),
        }
        for variable in variables
    ]


def architecture(model: Any) -> list[dict[str, Any]]:
    """What `describe` tells of a compiled model that has not trained yet: what weights must be like to fit it."""
    model.optimizer.build(model.trainable_variables)
    return describe(variables_of(model))


def load_variables(
    variables: Sequence[Any],
    arrays: Sequence[np.ndarray],
    saved: Sequence[dict[str, Any]],
    *,
    keep: Collection[int] = (),
) -> None:
    """Put saved values back.

    Args:
        variables: Where to.
        arrays: The values, in the same order.
        saved: What `describe` told when they were saved.
        keep: Positions that are left as they are.

    Raises:
        ModelError: They are another architecture's.
    """
    here = describe(variables)
    if len(here) != len(saved):
        _differ(f"{len(saved)} variables were saved, {len(here)} are needed")
    for ours, theirs in zip(here, saved, strict=True):
        if ours != theirs:
            told = [f"{entry['path']} {tuple(entry['shape'])} {entry['dtype']}" for entry in (theirs, ours)]
            _differ(f"{told[0]} was saved where {told[1]} is needed")
    for position, (variable, array) in enumerate(zip(variables, arrays, strict=True)):
        if position not in keep:
            variable.assign(array)


def random_ops(function: Any) -> list[str]:
    """Names of the operations in a graph that draw from a generator inside TensorFlow, whose place cannot be saved."""
    library = function.graph.as_graph_def().library.function
    found = {node.op for part in library for node in part.node_def} | {
        op.type for op in function.graph.get_operations()
    }
    return sorted(name for name in found if name in _RANDOM)


_RANDOM = {
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomPoissonV2",
    "RandomShuffle",
    "RandomStandardNormal",
    "RandomUniform",
    "RandomUniformInt",
    "TruncatedNormal",
}


def _differ(how: str) -> None:
    raise ModelError(
        f"The weights are of another architecture: {how}. A parameter that changes the layers or the optimiser cannot "
        "change in the middle of a trial, as population based training does: fix it with --set space.NAME=VALUE."
    )
