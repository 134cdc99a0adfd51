"""Modules whose files have been edited since this process imported them: a notebook keeps the code that it loaded."""

import dis
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import Any

from pipeline.study.sources import SourceFile

_HAS_DOCSTRING = 0x4000000
"""The flag of functions with a docstring since Python 3.13; earlier ones keep None in the place of a docstring."""


def stale_modules(files: Iterable[SourceFile]) -> list[SourceFile]:
    """The files whose text does something else than the modules that this process has imported from them.

    Python's import writes the bytecode that it loads, with the time and size of its source. Where it cannot write, or
    where another process has imported the new text since, a difference is not found.
    """
    return [file for file in files if _is_stale(file)]


def _is_stale(file: SourceFile) -> bool:
    spec: Any = getattr(sys.modules.get(file.module), "__spec__", None)
    # Other loaders, as that of pytest, change the code, or keep its text.
    if type(getattr(spec, "loader", None)) is not importlib.machinery.SourceFileLoader or not spec.cached:
        return False
    cached = Path(spec.cached)
    if Path(spec.origin) != file.file or sys.dont_write_bytecode or not os.access(cached.parent, os.W_OK):
        return False
    try:
        # A file of bytecode begins with Python's number, flags, and the source's time and size.
        content, status = cached.read_bytes(), file.file.stat()
        number, flags = content[:4], content[4:8]
        written = tuple(int.from_bytes(content[start : start + 4], "little") for start in (8, 12))
        now = tuple(value & 0xFFFFFFFF for value in (int(status.st_mtime), status.st_size))
        if number != importlib.util.MAGIC_NUMBER or any(flags) or written == now:
            return False
        loaded = importlib.machinery.SourcelessFileLoader(file.module, spec.cached).get_code(file.module)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return loaded is not None and _meaning(loaded) != _meaning(
                compile(file.content, str(file.file), "exec", dont_inherit=True)
            )
    except (
        ImportError,
        OSError,
        EOFError,
        SyntaxError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
        MemoryError,
    ):
        return False


def _meaning(code: CodeType) -> tuple[object, ...]:
    """What code does, regardless of its lines and of the text of its docstring."""
    described = _docstring(code)
    constants = [_constant(None if number == described else each) for number, each in enumerate(code.co_consts)]
    return code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_flags, constants


def _constant(value: object) -> object:
    """A constant, equal to another one of the same types; a set that is read from bytecode has another order."""
    if isinstance(value, CodeType):
        return _meaning(value)
    if isinstance(value, tuple):
        return tuple(map(_constant, value))
    if isinstance(value, frozenset):
        return frozenset(map(_constant, value))
    return repr(value)


def _docstring(code: CodeType) -> int | None:
    """Which constant of code is its docstring; None if it has none."""
    if code.co_flags & inspect.CO_OPTIMIZED:
        # A function's is the first one; comprehensions and lambdas, such as <listcomp>, have none.
        has = code.co_flags & _HAS_DOCSTRING if sys.version_info >= (3, 13) else not code.co_name.startswith("<")
        return 0 if has and code.co_consts and isinstance(code.co_consts[0], str) else None
    # A module and a class assign theirs.
    stored = (load for load, store in pairwise(dis.get_instructions(code)) if _stores_docstring(store))
    return next((load.arg for load in stored if load.opname == "LOAD_CONST"), None)


def _stores_docstring(instruction: dis.Instruction) -> bool:
    return instruction.opname == "STORE_NAME" and instruction.argval == "__doc__"
