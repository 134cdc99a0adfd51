"""The parameters of a user's function."""

import functools
from typing import Any

import pytest

from pipeline.study.signature import takes_argument, takes_hyperparameters, takes_state


class Callable:
    """An object that can be called."""

    def __call__(self, config: Any, state: Any) -> None:
        """Takes config and state."""


def config_alone(config: Any) -> None:
    """A function of the config alone."""


def with_state(config: Any, state: Any) -> None:
    """A function of the config and a state."""


def with_other(config: Any, weights: Any) -> None:
    """A function whose second parameter has another name."""


def with_default_state(config: Any, state: Any = None) -> None:
    """A function whose parameter `state` has a default."""


def with_default_width(config: Any, width: int = 3) -> None:
    """A function with another parameter that has a default."""


def with_keyword(config: Any, *, state: Any) -> None:
    """A function with a keyword-only parameter."""


def without_parameters() -> None:
    """A function without parameters."""


def with_any(*arguments: Any) -> None:
    """A function with arbitrary parameters."""


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (config_alone, False),
        (with_state, True),
        (with_other, True),
        (with_default_state, True),
        (with_default_width, False),
        (with_keyword, False),
        (with_any, False),
        (functools.partial(with_other, weights=3), False),
        (Callable(), True),
        (int, False),
    ],
)
def test_a_second_parameter_that_is_required_or_called_state_is_the_state(function: Any, expected: bool) -> None:
    """A second parameter that is required or named state is the state; one with another default is not."""
    assert takes_state(function) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (config_alone, True),
        (with_any, True),
        (without_parameters, False),
        (lambda config=None: config, True),
        (lambda *, state=None: state, False),
        (int, True),
    ],
)
def test_a_function_takes_the_config_if_it_has_a_parameter_for_it(function: Any, expected: bool) -> None:
    """A function with a positional parameter gets the config; one without parameters does not."""
    assert takes_argument(function) == expected


def test_hyperparameters_instead_of_a_config_are_recognized() -> None:
    """A function takes hyperparameters if it has several parameters that all have names of the space."""
    names = {"config", "state", "width"}
    assert takes_hyperparameters(with_state, names)
    assert takes_hyperparameters(with_default_width, names)
    assert not takes_hyperparameters(with_default_width, {"width"})
    assert not takes_hyperparameters(config_alone, names)
