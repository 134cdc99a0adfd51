"""Other values for attributes of a library's modules and classes while a program runs."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def replaced_attributes(values: Iterable[tuple[Any, str, Any]]) -> Iterator[None]:
    """A context in which attributes have other values."""
    with ExitStack() as opened:
        for owner, name, value in values:
            opened.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield
