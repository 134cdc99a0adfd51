"""The objects that a user's functions reach."""

import functools
import json
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.study.reachable_objects import reachable


class Marked:
    """What is looked for."""


NAMED, DEFAULT, HELD, DEEP, UNUSED, OF_CLASS, OF_MODULE = (Marked() for _ in range(7))
BOX = {"deep": [SimpleNamespace(), (DEEP,)]}
LONG = [*range(2000), UNUSED]


class Holder:
    """An instance with a mark, of a class with another."""

    shared = OF_CLASS

    def __init__(self) -> None:
        self.held = HELD

    def __call__(self) -> None:
        """Nothing."""


def named() -> Any:
    """It uses a global."""
    return NAMED


def nested() -> Any:
    """It calls a function that uses a global in a function of its own."""
    return [named() for _ in range(2)]


def setting() -> Any:
    """It sets a global, and reads it then."""
    global NAMED
    NAMED = Marked()
    return NAMED


def keeping() -> Any:
    """It makes a global at its first call."""
    global NAMED
    if NAMED is None:
        NAMED = Marked()
    return NAMED


def with_default(value: Any = DEFAULT) -> Any:
    """It has a default."""
    return value


def boxed() -> Any:
    """It uses a container."""
    return BOX, LONG, json


HOLDER = Holder()


def holding() -> Any:
    """It uses an instance."""
    return HOLDER


@functools.cache
def cached(number: int) -> Marked:
    """It makes a mark."""
    return Marked()


KEPT = cached(1)


def caching() -> Any:
    """It calls a function with a cache."""
    return cached(1)


def enclosing(value: Any) -> Any:
    """A function that encloses a value."""
    return lambda: value


@pytest.mark.parametrize(
    ("function", "marks"),
    [
        (named, [NAMED]),
        (nested, [NAMED]),
        (setting, []),
        (keeping, [NAMED]),
        (with_default, [DEFAULT]),
        (boxed, [DEEP]),
        (holding, [HELD, OF_CLASS]),
        (caching, [KEPT]),
        (enclosing(HELD), [HELD]),
        (functools.partial(with_default, OF_MODULE), [OF_MODULE, DEFAULT]),
        (HOLDER.__call__, [HELD, OF_CLASS]),
    ],
)
def test_marks_are_found_where_a_function_can_use_them(function: Any, marks: list[Marked]) -> None:
    """Names, closures, containers, instances and caches are followed; no long lists, no globals that it sets first."""
    found = [value for value in reachable([function]) if isinstance(value, Marked)]
    assert set(map(id, found)) == set(map(id, marks))
