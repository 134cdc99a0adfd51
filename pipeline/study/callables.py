"""The forms that a user's function may have: a function, a method, a partial call, or an object that is called."""

import functools
import inspect
from collections.abc import Callable
from pathlib import PurePosixPath
from types import FunctionType, MethodType
from typing import Any

from pipeline.study.user_frames import INSTALLED, is_tunepipe_file


def as_function(value: object) -> Callable[..., Any] | None:
    """A value as a function that has a name; None if it is none that Python code defines."""
    if isinstance(value, FunctionType):
        return value
    if isinstance(value, MethodType):
        return value if isinstance(python_function(value), FunctionType) else None
    if isinstance(value, functools.partial):
        if hasattr(value, "__qualname__") and isinstance(python_function(value), FunctionType):
            return value
        inner = as_function(value.func)
        return None if inner is None else _named(functools.partial(inner, *value.args, **value.keywords))
    call = getattr(type(value), "__call__", None)  # noqa: B004
    if isinstance(value, type) or not isinstance(call, FunctionType):
        return None
    file = inspect.unwrap(call).__code__.co_filename
    library = any(part in INSTALLED for part in PurePosixPath(file).parts)
    return None if library or is_tunepipe_file(file) else as_function(value.__call__)  # type: ignore[operator]


def python_function(function: Callable[..., Any]) -> Any:
    """What a function, a method or a partial call runs in the end: a function with code and globals."""
    inner: Any = function
    while True:
        if isinstance(inner, functools.partial):
            inner = inner.func
        elif isinstance(inner, MethodType):
            inner = inner.__func__
        elif hasattr(inner, "__wrapped__"):
            inner = inspect.unwrap(inner)
        else:
            return inner


def _named(call: "functools.partial[Any]") -> Callable[..., Any]:
    """A partial call that gets the name of what it calls."""
    inner = python_function(call)
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(call, name, getattr(inner, name))
    return call
