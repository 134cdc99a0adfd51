"""Scalars that a model function sets and training leaves alone, such as a loss weight in a variable."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.training.state import value_of


class ConstantScalars:
    """The first values of a model's scalars, by which those that training does not change are found.

    Only variables without dimensions count: a larger one that no optimiser updates, such as a random projection, fits
    the weights that were trained with it.
    """

    def __init__(self) -> None:
        self._first: dict[int, tuple[Any, np.ndarray]] | None = None
        self._trained: dict[int, tuple[Any, np.ndarray]] = {}
        """Scalars that training has changed before this phase, with their values at its end."""

    @property
    def known(self) -> bool:
        """Whether the first values are recorded."""
        return self._first is not None

    def remember(self, variables: Sequence[Any]) -> None:
        """Record the values of the scalars, unless that was done before."""
        if self._first is None:
            scalars = _values(variables)
            # What a phase sets is its own, whatever training has done to it before.
            left = {key for key, (_, value) in self._trained.items() if key in scalars and scalars[key][1] == value}
            self._first = {key: scalar for key, scalar in scalars.items() if key not in left}

    def unchanged(self, variables: Sequence[Any]) -> list[int]:
        """The positions of the scalars that still have their first values."""
        first = self._first or {}
        own = [value_of(variable) for variable in variables]
        return [i for i, each in enumerate(own) if id(each) in first and first[id(each)][1] == each.numpy()]

    def end_phase(self, variables: Sequence[Any]) -> None:
        """Take the next values as the first ones, except of what training has changed: a phase prepares the model
        next.
        """
        constant = {id(value_of(variables[i])) for i in self.unchanged(variables)}
        self._trained = {key: scalar for key, scalar in _values(variables).items() if key not in constant}
        self._first = None


def _values(variables: Sequence[Any]) -> dict[int, tuple[Any, np.ndarray]]:
    """An id → a scalar of TensorFlow, and its value."""
    own = [value_of(variable) for variable in variables if not len(variable.shape)]
    return {id(each): (each, np.array(each.numpy())) for each in own if each.dtype.is_floating}
