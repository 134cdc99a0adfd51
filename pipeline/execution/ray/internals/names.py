"""Private names of Ray, which another version may not have: found, or replaced within a context."""

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from pipeline.missing_names import ABSENT, warn_once


def find_private(module: str, name: str, consequence: str) -> Any:
    """The object that Ray has under a private name."""
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        warn_once("Ray", f"{module}.{name}", consequence)
        return ABSENT
    return found


@contextlib.contextmanager
def replaced(module: str, name: str, replacement: Any, consequence: str) -> Iterator[None]:
    """Within the context, Ray has something else under a name; where it does not have the name, it stays as it is."""
    original = find_private(module, name, consequence)
    if original is ABSENT:
        yield
        return
    owner: Any = import_module(module)
    *classes, attribute = name.split(".")
    for each in classes:
        owner = getattr(owner, each)
    setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        setattr(owner, attribute, original)
