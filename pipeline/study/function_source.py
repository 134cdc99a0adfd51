"""Where a user's function is defined: its module, its source, and whether it can be loaded again."""

import ast
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from pipeline.study.callables import python_function
from pipeline.study.function_names import functions_in, name_in
from pipeline.study.source_loader import SourceTextLoader, content_of
from pipeline.study.user_frames import is_user_file

_elsewhere: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""A function → the globals of another module than its own, whose job has it."""


@dataclass(frozen=True, slots=True)
class UnloadedFunction:
    """A placeholder for a function that is not loaded: reading a study's results runs none of its code."""

    function: str
    sha256: str | None

    @property
    def __name__(self) -> str:
        return self.function.rpartition(":")[2]

    def __call__(self, *args: object) -> None:
        """Refuse a call."""
        raise TypeError(f"{self.function} is not loaded: nothing that is defined here is the function of the study")


def module_of(function: Callable[..., Any]) -> str:
    """The name of the module by which a function is loaded; for `__main__`, that under which it would be imported."""
    return module_named(home_of(function), function)


def module_named(home: Mapping[str, Any], function: Callable[..., Any]) -> str:
    """The name of one of a function's modules; for `__main__`, the name under which it would be imported."""
    # A decorated function has the module's name of the one that it decorates.
    name = function.__module__ if home is _own_home(function) else home.get("__name__")
    return (_script_name(home) if name == "__main__" and not _in_cell(function) else None) or str(name)


def script_of(module: str) -> ModuleType | None:
    """The script that Python runs, if it would be imported under a name; None if another program runs."""
    main = sys.modules["__main__"]
    return main if _script_name(vars(main)) == module else None


def _script_name(home: Mapping[str, Any]) -> str | None:
    file, spec = home.get("__file__"), home.get("__spec__")
    # A script from stdin has no file, whatever its `__file__` is.
    if not file or file.startswith("<"):
        return None
    # With `python -m package.module` Python knows the module's name; a script has only the file's name.
    return str(spec.name) if spec is not None else Path(file).stem


def from_study(function: Callable[..., Any]) -> bool:
    """Whether a function was loaded from a study's copy of its source."""
    loader = getattr(home_of(function).get("__spec__"), "loader", None)
    return isinstance(loader, SourceTextLoader) and loader.of_study


def in_script(function: Callable[..., Any]) -> bool:
    """Whether a function is defined by the script that Python runs, not by a module or a notebook."""
    home = home_of(function)
    # Some editors set __file__ in an interactive window, which runs in a kernel.
    program = Path((sys.argv or [""])[0])
    in_kernel = program.name.startswith("ipykernel") or program.parent.name == "ipykernel"
    return home.get("__name__") == "__main__" and "__file__" in home and not in_kernel


def source_of(function: Callable[..., Any]) -> bytes | None:
    """The content of the file by which a function is loaded; None if there is none (a notebook, a prompt)."""
    return None if _in_cell(function) else content_of(home_of(function))


def same_code(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two functions have one name and equal source files, regardless of comments and layout."""
    if one is other:
        return True
    sources = source_of(one), source_of(other)
    if isinstance(one, UnloadedFunction) or isinstance(other, UnloadedFunction):
        return False
    if one.__qualname__ != other.__qualname__ or sources[0] is None or sources[1] is None:
        return False
    return same_text(sources[0], sources[1])


def same_text(one: bytes, other: bytes) -> bool:
    """Whether two sources are equal, regardless of comments and layout."""
    try:
        return one == other or ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def notebook_functions() -> list[Callable[..., Any]]:
    """The functions that are typed into the running notebook or prompt, those of its jobs included."""
    return [
        each
        for value in list(vars(sys.modules["__main__"]).values())
        for each in functions_in(value).values()
        if isinstance(each, FunctionType | MethodType | functools.partial)
        and each.__module__ == "__main__"
        and not is_loadable(each)
    ]


def is_loadable(function: Callable[..., Any]) -> bool:
    """Whether a function can be loaded again: a file has a name for it."""
    typed_in = python_function(function).__code__.co_filename.startswith("<")
    return not typed_in and source_of(function) is not None and qualified_name(function) is not None


def _in_cell(function: Callable[..., Any]) -> bool:
    """Whether a function's code is that of a notebook's cell: some editors set `__file__` there, to another text."""
    code = getattr(python_function(function), "__code__", None)
    return code is not None and Path(code.co_filename).parent.name.startswith("ipykernel_")


def qualified_name(function: Callable[..., Any]) -> str | None:
    """The name by which a function is found in the module that loads it, even after another import.

    A lambda, a method of an object, or a function that another one returned, is found by a variable (`build`) or a job
    (`JOB.model`).
    """
    return name_in(home_of(function), function)


def home_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The globals of the module by which a function is loaded; sys.modules may contain another version of that module.

    It is the module that defines the function, unless only the job of another module has a name for it, as for a lambda
    in a function that makes jobs.
    """
    own = _own_home(function)
    if not own or name_in(own, function) is not None:
        return own
    known = _elsewhere.get(function)
    if known is not None and name_in(known, function) is not None:
        return known
    for home in _homes_with_files():
        if home is not own and _has_job_with(home, function) and name_in(home, function) is not None:
            _elsewhere[function] = home
            return home
    return own


def homes_of(function: Callable[..., Any]) -> list[dict[str, Any]]:
    """The globals of the modules that a function needs: of that which loads it, then of that which defines it."""
    homes = [home_of(function), _own_home(function)]
    return homes[:1] if homes[0] is homes[1] else homes


def _own_home(function: Callable[..., Any]) -> dict[str, Any]:
    """The globals of the module that defines a function."""
    return getattr(python_function(function), "__globals__", {})


def _has_job_with(home: Mapping[str, Any], function: Callable[..., Any]) -> bool:
    jobs = [functions_in(value) for value in list(home.values())]
    return any(each is function for functions in jobs for path, each in functions.items() if path)


def _homes_with_files() -> Iterator[dict[str, Any]]:
    """The globals of the loaded modules that are files and not installed."""
    for module in list(sys.modules.values()):
        home = getattr(module, "__dict__", {})
        file = home.get("__file__")
        if isinstance(file, str) and is_user_file(file):
            yield home
