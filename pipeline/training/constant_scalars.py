"""Scalars that a model function sets and training leaves alone, such as a loss weight in a variable."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.training.state import value_of

__all__ = ["ConstantScalars"]


class ConstantScalars:
    """The first values of a model's scalars, by which those that training does not change are found.

    Only variables without dimensions count: a larger one that no optimiser updates, such as a random projection, fits
    the weights that were trained with it.
    """

    def __init__(self) -> None:
        self._first: dict[int, tuple[Any, np.ndarray]] | None = None

    def remember(self, variables: Sequence[Any]) -> None:
        """Record the values of the scalars, unless that was done before.

        Args:
            variables: Variables of Keras or TensorFlow.
        """
        if self._first is None:
            own = [value_of(variable) for variable in variables if not len(variable.shape)]
            self._first = {id(each): (each, np.array(each.numpy())) for each in own if each.dtype.is_floating}

    def unchanged(self, variables: Sequence[Any]) -> list[int]:
        """The positions of the scalars that still have their first values.

        Args:
            variables: Variables of Keras or TensorFlow.
        """
        first = self._first or {}
        own = [value_of(variable) for variable in variables]
        return [i for i, each in enumerate(own) if id(each) in first and first[id(each)][1] == each.numpy()]

    def forget(self) -> None:
        """Take the next values as the first ones: a phase has prepared the model."""
        self._first = None
