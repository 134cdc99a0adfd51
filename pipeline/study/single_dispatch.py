"""Functions of `functools.singledispatch`: which function they call for which class."""

import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["implementations"]


def _no_function(_: object) -> None: ...


_DISPATCHER: Any = functools.singledispatch(_no_function)


def implementations(value: Any) -> Mapping[type, Callable[..., Any]] | None:
    """The functions behind a function of `functools.singledispatch`.

    Args:
        value: Anything.

    Returns:
        Class → function, with `object` for the one that was decorated; None for anything else than such a function.
    """
    # Every function that singledispatch returns has the same code; functions that wrap one copy its attributes only.
    if not isinstance(value, types.FunctionType) or value.__code__ is not _DISPATCHER.__code__:
        return None
    found: Mapping[type, Callable[..., Any]] = value.registry  # type: ignore[attr-defined]
    return found
