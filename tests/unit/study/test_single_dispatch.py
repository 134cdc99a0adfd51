"""Functions of singledispatch are known, and what they call."""

import functools
from typing import Any

from pipeline.study.single_dispatch import implementations


@functools.singledispatch
def size(value: Any) -> int:
    """How large a value is."""
    return 0


@size.register
def size_of_text(value: str) -> int:
    """Of a text."""
    return len(value)


@functools.wraps(size)
def around(value: Any) -> int:
    """Another function with the same attributes."""
    return size(value)


def test_a_function_of_singledispatch_has_a_function_for_each_class() -> None:
    """The decorated function is the one for `object`."""
    functions = implementations(size)
    assert functions is not None
    assert set(functions) == {object, str}
    assert functions[str] is size_of_text


def test_other_functions_dispatch_nothing() -> None:
    """A function that wraps one, any other function and other values are none of singledispatch."""
    for value in (around, size_of_text, len, 1, None):
        assert implementations(value) is None
