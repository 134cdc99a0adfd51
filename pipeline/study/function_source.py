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

from pydantic import BaseModel

from pipeline.study.callables import python_function
from pipeline.study.source_loader import SourceTextLoader, content_of
from pipeline.study.user_frames import is_user_file

__all__ = [
    "UnloadedFunction",
    "from_study",
    "home_of",
    "homes_of",
    "in_script",
    "is_loadable",
    "module_named",
    "module_of",
    "named_in",
    "notebook_functions",
    "qualified_name",
    "same_code",
    "same_text",
    "script_of",
    "source_of",
]


_elsewhere: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""A function → the globals of another module than its own, whose job has it."""


@dataclass(frozen=True, slots=True)
class UnloadedFunction:
    """A placeholder for a function that is not loaded: reading a study's results runs none of its code.

    Args:
        function: Its module and name, `module:name`.
        sha256: The digest of its source; None if it is not saved.
    """

    function: str
    sha256: str | None

    @property
    def __name__(self) -> str:
        return self.function.rpartition(":")[2]

    def __call__(self, *args: object) -> None:
        """Refuse a call.

        Args:
            args: What the function would get.

        Raises:
            TypeError: Always.
        """
        raise TypeError(f"{self.function} is not loaded: nothing that is defined here is the function of the study")


def module_of(function: Callable[..., Any]) -> str:
    """The name of the module by which a function is loaded; for `__main__`, that under which it would be imported.

    Args:
        function: The function.
    """
    return module_named(home_of(function), function)


def module_named(home: Mapping[str, Any], function: Callable[..., Any]) -> str:
    """The name of one of a function's modules; for `__main__`, the name under which it would be imported.

    Args:
        home: The module's globals, one of `homes_of`.
        function: The function.
    """
    # A decorated function has the module's name of the one that it decorates.
    name = function.__module__ if home is _own_home(function) else home.get("__name__")
    return (_script_name(home) if name == "__main__" else None) or str(name)


def script_of(module: str) -> ModuleType | None:
    """The script that Python runs, if it would be imported under a name; None if another program runs.

    Args:
        module: The name.
    """
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
    """Whether a function was loaded from a study's copy of its source.

    Args:
        function: The function.
    """
    loader = getattr(home_of(function).get("__spec__"), "loader", None)
    return isinstance(loader, SourceTextLoader) and loader.of_study


def in_script(function: Callable[..., Any]) -> bool:
    """Whether a function is defined by the script that Python runs, not by a module or a notebook.

    Args:
        function: The function.
    """
    home = home_of(function)
    # Some editors set __file__ in an interactive window, which runs in a kernel.
    program = Path((sys.argv or [""])[0])
    in_kernel = program.name.startswith("ipykernel") or program.parent.name == "ipykernel"
    return home.get("__name__") == "__main__" and "__file__" in home and not in_kernel


def source_of(function: Callable[..., Any]) -> bytes | None:
    """The content of the file by which a function is loaded; None if there is none (a notebook, a prompt).

    Args:
        function: The function.
    """
    return content_of(home_of(function))


def same_code(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two functions have one name and equal source files, regardless of comments and layout.

    Args:
        one: A function.
        other: Another function.
    """
    if one is other:
        return True
    sources = source_of(one), source_of(other)
    if isinstance(one, UnloadedFunction) or isinstance(other, UnloadedFunction):
        return False
    if one.__qualname__ != other.__qualname__ or sources[0] is None or sources[1] is None:
        return False
    return same_text(sources[0], sources[1])


def same_text(one: bytes, other: bytes) -> bool:
    """Whether two sources are equal, regardless of comments and layout.

    Args:
        one: A source.
        other: Another source.
    """
    try:
        return one == other or ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except (SyntaxError, ValueError, RecursionError):
        return False


def notebook_functions() -> list[Callable[..., Any]]:
    """The functions that are typed into the running notebook or prompt, those of its jobs included."""
    return [
        each
        for value in list(vars(sys.modules["__main__"]).values())
        for each in _functions(value).values()
        if isinstance(each, FunctionType | MethodType | functools.partial)
        and each.__module__ == "__main__"
        and not is_loadable(each)
    ]


def _functions(value: object) -> dict[str, Any]:
    """A value by the empty path, and, if it is a job, its functions by the paths of their fields."""
    fields = getattr(value, "functions", None) if isinstance(value, BaseModel) else None
    return {"": value, **(fields if isinstance(fields, dict) else {})}


def is_loadable(function: Callable[..., Any]) -> bool:
    """Whether a function can be loaded again: a file has a name for it.

    Args:
        function: The function.
    """
    typed_in = python_function(function).__code__.co_filename.startswith("<")
    return not typed_in and source_of(function) is not None and qualified_name(function) is not None


def qualified_name(function: Callable[..., Any]) -> str | None:
    """The name by which a function is found in the module that loads it, also after another import.

    A lambda, a method of an object, or a function that another one returned, is found by a variable (`build`) or a job
    (`JOB.model`).

    Args:
        function: The function.

    Returns:
        The name; None if no module has one for it.
    """
    return _name_in(home_of(function), function)


def _name_in(home: Mapping[str, Any], function: Callable[..., Any]) -> str | None:
    """The name by which a module has a function whenever it is imported; None if there is none."""
    if named_in(home, function.__qualname__) is function:
        return str(function.__qualname__)
    assigned: set[str] | None = None
    for name, value in list(home.items()):
        for path, each in _functions(value).items():
            if each is function:
                assigned = _assigned(content_of(home)) if assigned is None else assigned
                if name in assigned:
                    return f"{name}.{path}" if path else name
    return None


def _assigned(source: bytes | None) -> set[str]:
    """The variables that a module assigns whenever it is imported, which excludes `if __name__ == "__main__":`."""
    try:
        statements = ast.parse(source or b"").body
    except (SyntaxError, ValueError, RecursionError):
        return set()
    targets = [
        target
        for statement in statements
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
    ]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def home_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The globals of the module by which a function is loaded; sys.modules may contain another version of that module.

    It is the module that defines the function, unless only the job of another module has a name for it, as for a lambda
    in a function that makes jobs.

    Args:
        function: The function.
    """
    own = _own_home(function)
    if not own or _name_in(own, function) is not None:
        return own
    known = _elsewhere.get(function)
    if known is not None and _name_in(known, function) is not None:
        return known
    for home in _homes_with_files():
        if home is not own and _has_job_with(home, function) and _name_in(home, function) is not None:
            _elsewhere[function] = home
            return home
    return own


def homes_of(function: Callable[..., Any]) -> list[dict[str, Any]]:
    """The globals of the modules that a function needs: of that which loads it, then of that which defines it.

    Args:
        function: The function.
    """
    homes = [home_of(function), _own_home(function)]
    return homes[:1] if homes[0] is homes[1] else homes


def _own_home(function: Callable[..., Any]) -> dict[str, Any]:
    """The globals of the module that defines a function."""
    return getattr(python_function(function), "__globals__", {})


def _has_job_with(home: Mapping[str, Any], function: Callable[..., Any]) -> bool:
    jobs = [_functions(value) for value in list(home.values())]
    return any(each is function for functions in jobs for path, each in functions.items() if path)


def _homes_with_files() -> Iterator[dict[str, Any]]:
    """The globals of the loaded modules that are files and not installed."""
    for module in list(sys.modules.values()):
        home = getattr(module, "__dict__", {})
        file = home.get("__file__")
        if isinstance(file, str) and is_user_file(file):
            yield home


def named_in(home: Mapping[str, Any], qualified_name: str) -> Any:
    """The object with a qualified name among the globals of a module; None if there is none.

    Args:
        home: The globals.
        qualified_name: Such as `Class.method`, or `JOB.phases.0.prepare`.

    Returns:
        The function, class or value; None if the module has no such name.
    """
    first, *rest = qualified_name.split(".")
    value = home.get(first)
    for part in rest:
        if part.isdigit() and isinstance(value, tuple):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = getattr(value, part, None)
    return value
