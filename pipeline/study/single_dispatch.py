"""Functions of `functools.singledispatch`: which function they call for which class."""

import functools
import types
from collections.abc import Callable, Mapping
from typing import Any


def _no_function(_: object) -> None: ...


_DISPATCHER: Any = functools.singledispatch(_no_function)


def implementations(value: Any) -> Mapping[type, Callable[..., Any]] | None:
    """The functions behind a function of `functools.singledispatch`."""
    # Every function that singledispatch returns has the same code; functions that wrap one copy its attributes only.
    if not isinstance(value, types.FunctionType) or value.__code__ is not _DISPATCHER.__code__:
        return None
    found: Mapping[type, Callable[..., Any]] = value.registry  # type: ignore[attr-defined]
    return found
