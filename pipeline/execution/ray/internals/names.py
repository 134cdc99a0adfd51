"""Names of Ray's that another version may not have: looked up, and replaced for a while."""

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from pipeline.missing_names import ABSENT, say_once

__all__ = ["named", "replaced"]


def named(module: str, name: str, consequence: str) -> Any:
    """What Ray has under a name.

    Args:
        module: The module.
        name: The name in the module; of a class's attribute, `Class.attribute`.
        consequence: What the study does without it, as a part of a sentence.

    Returns:
        The object; ABSENT where this Ray has none, which is said once.
    """
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        say_once("Ray", f"{module}.{name}", consequence)
        return ABSENT
    return found


@contextlib.contextmanager
def replaced(module: str, name: str, replacement: Any, consequence: str) -> Iterator[None]:
    """Within the context, Ray has something else under a name; where it does not have the name, it stays as it is.

    Args:
        module: The module.
        name: The name in the module; of a class's attribute, `Class.attribute`.
        replacement: What is there instead.
        consequence: What the study does without it, as a part of a sentence.
    """
    original = named(module, name, consequence)
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
