"""What a user's function takes."""

import functools
from typing import Any

import pytest

from pipeline.study.signature import takes_state


class Callable:
    """An object that is called."""

    def __call__(self, config: Any, state: Any) -> None:
        """Take both."""


def config_alone(config: Any) -> None:
    """The plain form."""


def with_state(config: Any, state: Any) -> None:
    """The form with a state."""


def with_other(config: Any, weights: Any) -> None:
    """Its name is the user's."""


def with_default_state(config: Any, state: Any = None) -> None:
    """Called `state`."""


def with_default_width(config: Any, width: int = 3) -> None:
    """The user's own affair."""


def with_keyword(config: Any, *, state: Any) -> None:
    """Never given by position."""


def with_any(*arguments: Any) -> None:
    """Nothing is known of its second parameter."""


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
