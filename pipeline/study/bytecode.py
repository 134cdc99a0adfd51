"""Functions without a file, from a notebook or a prompt, compared by their bytecode."""

import argparse
import dis
import functools
import hashlib
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from itertools import pairwise
from typing import Any

from pipeline.study.single_dispatch import implementations

_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_READ_NAME = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_READ_VARIABLE = _READ_NAME | {"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}
_OF_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_WRITE_NAME = frozenset({"STORE_GLOBAL", "STORE_NAME"})
_NOT_HASHED = ("__dict__", "__weakref__", "__doc__", "__slotnames__", "__firstlineno__", "__static_attributes__")
"""Members of a class that say nothing of what it does; pickling adds the fourth, and Python 3.13 the last two."""

_LOADED = "keras._tf_keras.keras"
"""The module that tensorflow.keras is after its first use."""

_LARGEST = 2**20
"""Bytes of an array that are hashed; of a larger one, only type and shape are compared."""


def bytecode_digest(function: Callable[..., Any]) -> str:
    """The SHA-256 of what a function does, regardless of comments and layout.

    It covers the function's bytecode and constants, and those of the functions, classes, plain values, dataclasses,
    enumerations, parsed arguments and partial calls that it uses from the same notebook. Another version of Python has
    other bytecode.
    """
    digest = hashlib.sha256()
    for part in _parts(function, getattr(function, "__module__", None), set()):
        digest.update(part.encode(errors="backslashreplace") + b"\0")
    return digest.hexdigest()


def _parts(value: Any, module: str | None, seen: set[int]) -> Iterator[str]:
    """The value as texts that are equal for values that do the same."""
    if isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}"
        return
    # A module that loads itself at its first use, as tensorflow.keras does, has another class than other modules.
    yield "module" if isinstance(value, types.ModuleType) else type(value).__qualname__
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, types.CodeType):
        yield value.co_code.hex()
        yield repr((value.co_names, value.co_varnames, value.co_freevars, value.co_argcount, value.co_flags))
        yield from _each(value.co_consts, module, seen)
    elif (functions := implementations(value)) is not None:
        # Not its own code and state, which has a cache of the classes that it was called with.
        yield from _items({str(each): functions[each] for each in sorted(functions, key=str)}, module, seen)
    elif isinstance(value, types.FunctionType):
        yield from _of_function(value, module, seen)
    elif isinstance(value, type) and value.__module__ == module:
        yield f"{value.__qualname__} {[base.__qualname__ for base in value.__bases__]}"
        members = {name: member for name, member in vars(value).items() if name not in _NOT_HASHED}
        yield from _items(members, module, seen)
    elif isinstance(value, types.ModuleType) and (type(value) is not types.ModuleType or value.__name__ == _LOADED):
        # Its name depends on whether it was used, and an import after that gives the module behind it.
        return
    elif isinstance(value, types.ModuleType | type | types.BuiltinFunctionType):
        yield str(getattr(value, "__name__", ""))
    elif (inner := _wrapped(value, module)) is not None:
        yield from _each(inner, module, seen)
    elif is_dataclass(value) or isinstance(value, Enum | types.SimpleNamespace | argparse.Namespace):
        yield from _each((type(value), vars(value) if hasattr(value, "__dict__") else repr(value)), module, seen)
    elif isinstance(value, Mapping):
        yield from _items(value, module, seen)
    elif isinstance(value, list | tuple):
        yield from _each(value, module, seen)
    elif isinstance(value, set | frozenset):
        yield repr(sorted(map(repr, value)))
    elif hasattr(value, "dtype") and hasattr(value, "tobytes"):
        yield f"{value.dtype} {getattr(value, 'shape', '')}"
        if getattr(value, "nbytes", _LARGEST + 1) <= _LARGEST:
            yield hashlib.sha256(value.tobytes()).hexdigest()


def _wrapped(value: Any, module: str | None) -> tuple[Any, ...] | None:
    """The functions and values of which a wrapper of functions consists; None for anything else."""
    if isinstance(value, classmethod | staticmethod):
        return (value.__func__,)
    if isinstance(value, functools.singledispatchmethod):
        return (value.dispatcher,)
    if isinstance(value, property):
        return (value.fget, value.fset)
    if isinstance(value, functools.partial):
        return (value.func, value.args, value.keywords)
    if isinstance(value, types.MethodType):
        owner = value.__self__
        # The method may call others, and read the attributes of its object.
        own = (type(owner), getattr(owner, "__dict__", {})) if type(owner).__module__ == module else ()
        return (value.__func__, owner, *own)
    # For example a function with a cache.
    function = getattr(value, "__wrapped__", None)
    return (function,) if isinstance(function, types.FunctionType) else None


def _of_function(function: types.FunctionType, module: str | None, seen: set[int]) -> Iterator[str]:
    yield function.__qualname__
    if function.__module__ != module:
        yield str(function.__module__)
        return
    yield from _parts(function.__code__, module, seen)
    yield from _each((function.__defaults__, function.__kwdefaults__, function.__dict__), module, seen)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield from _of_variable(name, cell.cell_contents, function.__code__, module, seen)
        except ValueError:
            yield "empty"
    names = sorted(_names(function.__code__) & set(function.__globals__))
    for name in names:
        yield name
        yield from _of_variable(name, function.__globals__[name], function.__code__, module, seen)


def _of_variable(name: str, value: Any, code: types.CodeType, module: str | None, seen: set[int]) -> Iterator[str]:
    """A variable that code reads; of parsed arguments, those that it reads: others, such as a budget, may change."""
    if isinstance(value, argparse.Namespace) and (read := _uses(name, code)) <= set(vars(value)):
        yield from _items({each: vars(value)[each] for each in sorted(read)}, module, seen)
    else:
        yield from _parts(value, module, seen)


def _uses(variable: str, code: types.CodeType) -> set[str]:
    """The attributes of a variable in code and in the functions within it; an empty name for each other use."""
    steps = [(step.opname, step.argval) for step in dis.get_instructions(code)]
    used = {
        str(then) if following in _OF_ATTRIBUTE else ""
        for (operation, name), (following, then) in pairwise(steps)
        if operation in _READ_VARIABLE and name == variable
    }
    return used.union(
        *(_uses(variable, constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    )


def _names(code: types.CodeType) -> set[str]:
    """The globals that code reads: not what it imports or assigns itself, and no attributes."""
    steps = [(step.opname, step.argval) for step in dis.get_instructions(code)]
    own = {name for operation, name in steps if operation in _WRITE_NAME}
    names = {name for operation, name in steps if operation in _READ_NAME} - own
    return names.union(*(_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)))


def _each(values: Any, module: str | None, seen: set[int]) -> Iterator[str]:
    for value in values:
        yield from _parts(value, module, seen)


def _items(values: Mapping[Any, Any], module: str | None, seen: set[int]) -> Iterator[str]:
    for name in values:
        yield str(name)
        yield from _parts(values[name], module, seen)
