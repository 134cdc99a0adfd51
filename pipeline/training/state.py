"""The state that a model needs to resume exactly: its variables, its optimiser's, and its seed generators'."""

import re
from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np

from pipeline.errors import ModelError


def variables_of(model: Any) -> list[Any]:
    """A model's variables in their order, seed generators' included, then the optimiser's."""
    return [*model.variables, *model.optimizer.variables]


def value_of(variable: Any) -> Any:
    """TensorFlow's own variable of one of Keras: a compiled epoch knows only the former."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def save_variables(variables: Sequence[Any]) -> list[np.ndarray]:
    """Copy the value of each variable."""
    return [np.array(value_of(variable).numpy()) for variable in variables]


def describe(variables: Sequence[Any]) -> list[dict[str, Any]]:
    """The path, shape and type of each variable; those of a saved state must be equal."""
    return [
        {
            "path": variable.path if isinstance(variable, keras.Variable) else variable.name,
            "shape": [int(size) for size in variable.shape],
            "dtype": str(getattr(variable.dtype, "name", variable.dtype)),
        }
        for variable in variables
    ]


def architecture(model: Any) -> list[dict[str, Any]]:
    """The variables of a compiled model that has not trained yet: weights that fit it have the same."""
    model.optimizer.build(model.trainable_variables)
    return [{**entry, "path": without_numbers(entry["path"])} for entry in describe(variables_of(model))]


def load_variables(
    variables: Sequence[Any],
    arrays: Sequence[np.ndarray],
    saved: Sequence[dict[str, Any]],
    *,
    keep: Collection[int] = (),
) -> None:
    """Assign saved values."""
    here = describe(variables)
    if len(here) != len(saved):
        _differ(f"{len(saved)} variables were saved, {len(here)} are needed")
    paths = {entry["path"] for entry in here}
    for ours, theirs in zip(here, saved, strict=True):
        # A model function may number or date its names; the name of another variable is another architecture's.
        renamed = theirs["path"] not in paths and without_numbers(ours["path"]) == without_numbers(theirs["path"])
        if ours != (theirs | {"path": ours["path"]} if renamed else theirs):
            variable_texts = [f"{entry['path']} {tuple(entry['shape'])} {entry['dtype']}" for entry in (theirs, ours)]
            _differ(f"{variable_texts[0]} was saved where {variable_texts[1]} is needed")
    for position, (variable, array) in enumerate(zip(variables, arrays, strict=True)):
        if position not in keep:
            variable.assign(array)


def random_ops(function: Any) -> list[str]:
    """The names of a graph's operations that draw from a generator of TensorFlow, whose state cannot be saved."""
    library = function.graph.as_graph_def().library.function
    ops = {node.op for part in library for node in part.node_def} | {op.type for op in function.graph.get_operations()}
    return sorted(name for name in ops if name in _RANDOM)


def drawn_in_words(operations: Sequence[str] | None) -> str | None:
    """Why a model that draws with tf.random may differ when it is resumed; None if it does not draw."""
    if not operations:
        return None
    drawn = ", ".join(operations)
    return f"its own code draws with tf.random ({drawn}), whose generator cannot be saved; use keras.random"


_NUMBER = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|(?>[0-9]+)(?!d(?:\b|_))([-_:. ][0-9]+)*")
"""A UUID, a number, or numbers such as those of a date; not the 2 of `conv2d`, which is the same in each process."""

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


def without_numbers(path: str) -> str:
    """A variable's path with # for the numbers in it, which may differ where the same code made it."""
    return _NUMBER.sub("#", path)


def _differ(how: str) -> None:
    raise ModelError(
        f"The weights are of another architecture: {how}. A hyperparameter that changes the layers or the optimiser "
        "cannot change within a trial, as it does in population based training: fix it with --set space.NAME=VALUE."
    )
