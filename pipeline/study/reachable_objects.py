"""The objects that a user's functions reach: by names, closures, defaults, classes and caches."""

import dis
import functools
import gc
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from pipeline.study.user_frames import is_user_file

_MAX_ITEMS = 1000
"""A longer list holds data."""

_CACHE: type = type(functools.cache(len))


def reachable(functions: Iterable[Callable[..., Any]], ends: tuple[type, ...] = ()) -> Iterator[Any]:
    """The objects that the code of functions can use, each once: code of libraries is not followed."""
    due, seen = deque[Any](functions), set[int]()
    kept = []
    while due:
        value = due.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        # A value that is created here, for example by a property, must not give its id to another.
        kept.append(value)
        yield value
        if not isinstance(value, ends):
            due.extend(_parts(value))


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, FunctionType):
        return _of_function(value)
    if isinstance(value, dict):
        return value.values() if len(value) <= _MAX_ITEMS else ()
    if isinstance(value, list | tuple | set | frozenset):
        return value if len(value) <= _MAX_ITEMS else ()
    if isinstance(value, functools.partial):
        return (value.func, *value.args, *value.keywords.values())
    if isinstance(value, MethodType):
        return (value.__func__, value.__self__)
    if isinstance(value, _CACHE):
        return gc.get_referents(value)
    if isinstance(value, staticmethod | classmethod):
        return (value.__func__,)
    if isinstance(value, property):
        return (value.fget, value.fset)
    if isinstance(value, type):
        return (*value.__bases__, *vars(value).values()) if _is_users(value.__module__) else ()
    if isinstance(value, ModuleType) or not _is_users(type(value).__module__):
        return ()
    return (type(value), *getattr(value, "__dict__", {}).values())


def _of_function(function: FunctionType) -> Iterator[Any]:
    if _is_library(function.__code__.co_filename):
        return
    yield from (function.__defaults__ or (), function.__kwdefaults__ or {}, function.__dict__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue
    names = names_of(function.__code__)
    used = [function.__globals__[name] for name in names if name in function.__globals__]
    yield from used
    for module in used:
        if isinstance(module, ModuleType) and _is_users(module.__name__):
            yield from (vars(module)[name] for name in names if name in vars(module))


@functools.cache
def names_of(code: CodeType) -> tuple[str, ...]:
    """The names of globals and attributes in code."""
    first: dict[str, str] = {}
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "STORE_GLOBAL"):
            first.setdefault(step.argval, step.opname)
    own = {name for name, access in first.items() if access == "STORE_GLOBAL"}
    inner = [name for constant in code.co_consts if isinstance(constant, CodeType) for name in names_of(constant)]
    return tuple(name for name in dict.fromkeys([*code.co_names, *inner]) if name not in own)


def _is_users(module: str) -> bool:
    if module == "__main__":
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return isinstance(file, str) and not _is_library(file)


def _is_library(file: str) -> bool:
    # Code of a notebook or a prompt, whose file is not a path, is the user's.
    return not file.startswith("<") and not is_user_file(file)
