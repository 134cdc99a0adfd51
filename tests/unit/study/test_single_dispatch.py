"""Recognition of singledispatch functions and of the functions that they call."""

import functools
from typing import Any

from pipeline.study.single_dispatch import implementations


@functools.singledispatch
def size(value: Any) -> int:
    """The size of a value."""
    return 0


@size.register
def size_of_text(value: str) -> int:
    """The size of a text."""
    return len(value)


@functools.wraps(size)
def around(value: Any) -> int:
    """Another function with the same attributes."""
    return size(value)


def test_a_function_of_singledispatch_has_a_function_for_each_class() -> None:
    """A singledispatch function returns its function for each class, the decorated one for `object`."""
    functions = implementations(size)
    assert functions is not None
    assert set(functions) == {object, str}
    assert functions[str] is size_of_text


def test_other_functions_dispatch_nothing() -> None:
    """A function that wraps a singledispatch function, and any other value, is not one itself."""
    for value in (around, size_of_text, len, 1, None):
        assert implementations(value) is None
