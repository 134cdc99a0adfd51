"""Whether the data fit a model's inputs; checked after Keras has failed, because its errors name layers and tensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from pipeline.errors import ModelError


@contextmanager
def explain_shape_errors(model: keras.Model, example: Any) -> Iterator[None]:
    """Replace an error within the context by one about the inputs' shapes, if these do not fit."""
    try:
        yield
    except Exception as error:
        if difference := mismatch(model, example):
            raise ModelError(difference) from error
        raise


def mismatch(model: keras.Model, example: Any) -> str | None:
    """How the data differ from the inputs that a model declares; None if no difference is known."""
    for name, declared, found in _pairs(model, example):
        if not _fits(declared, found):
            which = f"its input {name}" if name else "its input"
            return (
                f"The model does not fit the data: {which} takes rows of shape {_shown(declared)}, and "
                f"the data have rows of shape {_shown(found)}. Make it keras.Input({_shown(found)}), or give the data "
                "the model's shape."
            )
    return None


def _pairs(model: keras.Model, example: Any) -> list[tuple[str, tuple[Any, ...], tuple[int, ...]]]:
    """Each input's name, empty if there is one alone, its shape as declared, and that of the data."""
    declared = list(getattr(model, "inputs", None) or [])
    if isinstance(example, Mapping):
        known = {tensor.name: tensor for tensor in declared}
        return [(name, _row(known[name]), _row(array)) for name, array in example.items() if name in known]
    arrays = list(example) if isinstance(example, list | tuple) else [example]
    if len(declared) != len(arrays):
        return []
    names = [tensor.name for tensor in declared] if len(declared) > 1 else [""]
    return [(name, _row(tensor), _row(array)) for name, tensor, array in zip(names, declared, arrays, strict=True)]


def _row(tensor: Any) -> tuple[Any, ...]:
    return tuple(tensor.shape[1:])


def _fits(declared: tuple[Any, ...], found: tuple[int, ...]) -> bool:
    # Keras itself adds and takes away a last dimension of one.
    if len(found) == len(declared) + 1 and found[-1] == 1:
        found = found[:-1]
    elif len(declared) == len(found) + 1 and declared[-1] == 1:
        declared = declared[:-1]
    return len(declared) == len(found) and all(
        None in (size, other) or size == other for size, other in zip(declared, found, strict=True)
    )


def _shown(shape: tuple[Any, ...]) -> str:
    return str(tuple(None if size is None else int(size) for size in shape))
