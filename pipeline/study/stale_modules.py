"""Modules whose files have been edited since this process imported them: a notebook keeps the code that it loaded."""

import importlib.machinery
import importlib.util
import marshal
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import CodeType
from typing import Any

from pipeline.study.sources import SourceFile

__all__ = ["stale_modules"]

_HEADER = 16
"""Bytes before the code in a file of bytecode: Python's number, flags, and the source's time and size."""


def stale_modules(files: Iterable[SourceFile]) -> list[SourceFile]:
    """The files whose text does something else than the modules that this process has imported from them.

    Python's import writes the bytecode that it loads, with the time and size of its source. Where it cannot write, or
    where another process has imported the new text since, a difference is not found.

    Args:
        files: Files of a job's code.

    Returns:
        Some of `files`, in their order.
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
        content, status = cached.read_bytes(), file.file.stat()
        number, flags = content[:4], content[4:8]
        written = tuple(int.from_bytes(content[start : start + 4], "little") for start in (8, 12))
        now = tuple(value & 0xFFFFFFFF for value in (int(status.st_mtime), status.st_size))
        if number != importlib.util.MAGIC_NUMBER or any(flags) or written == now:
            return False
        loaded = marshal.loads(content[_HEADER:])
        return _meaning(loaded) != _meaning(compile(file.content, str(file.file), "exec", dont_inherit=True))
    except (OSError, EOFError, SyntaxError, TypeError, ValueError):
        return False


def _meaning(code: CodeType) -> tuple[object, ...]:
    """What code does, regardless of its lines."""
    constants = [_meaning(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return code.co_name, code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_flags, constants
