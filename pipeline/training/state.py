"""Everything a model in training needs to go on exactly: every variable, its optimiser's, and its seed generators'."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.errors import ModelError

__all__ = ["describe", "load_variables", "save_variables", "variables_of"]


def variables_of(model: Any) -> list[Any]:
    """The variables in their order: the model's, seed generators included, then the optimiser's."""
    return [*model.variables, *model.optimizer.variables]


def save_variables(variables: Sequence[Any]) -> list[np.ndarray]:
    """A copy of every value."""
    return [np.array(variable.value) for variable in variables]


def describe(variables: Sequence[Any]) -> list[dict[str, Any]]:
    """Path, shape and type of each, by which a checkpoint is known to fit."""
    return [
        {"path": variable.path, "shape": list(variable.shape), "dtype": str(variable.dtype)} for variable in variables
    ]


def load_variables(variables: Sequence[Any], arrays: Sequence[np.ndarray], saved: Sequence[dict[str, Any]]) -> None:
    """Put saved values back.

    Args:
        variables: Where to.
        arrays: The values, in the same order.
        saved: What `describe` told when they were saved.

    Raises:
        ModelError: They are another architecture's.
    """
    here = describe(variables)
    fits = [(entry["shape"], entry["dtype"]) for entry in here] == [(e["shape"], e["dtype"]) for e in saved]
    if not fits:
        differs = next(
            (f"{a['path']} {a['shape']} against {b['path']} {b['shape']}" for a, b in zip(here, saved) if a != b),
            f"{len(here)} variables against {len(saved)}",
        )
        raise ModelError(
            f"The weights are of another architecture ({differs}). Parameters that change a layer's shape cannot be "
            "tuned by population based training; fix them with --set space.NAME=VALUE."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
