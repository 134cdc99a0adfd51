"""Where a user's function is defined: its module, its source, and whether it can be loaded again."""

import ast
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from pipeline.study.read_once import ReadOnce, content_of

__all__ = [
    "UnloadedFunction",
    "from_study",
    "home_of",
    "in_script",
    "is_saved",
    "module_of",
    "named_in",
    "qualified_name",
    "same_code",
    "same_text",
    "script_of",
    "source_of",
    "typed_here",
]


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
    """The name of the module that defines a function; for `__main__`, the name under which it would be imported.

    Args:
        function: The function.
    """
    return (_script_name(home_of(function)) if function.__module__ == "__main__" else None) or str(function.__module__)


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
    return isinstance(loader, ReadOnce) and loader.of_study


def in_script(function: Callable[..., Any]) -> bool:
    """Whether a function is defined in the script that Python runs, not in a module or a notebook.

    Args:
        function: The function.
    """
    return function.__module__ == "__main__" and is_saved(function)


def source_of(function: Callable[..., Any]) -> bytes | None:
    """The content of the file that defines a function; None if there is none (a notebook, a prompt).

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


def typed_here() -> list[Callable[..., Any]]:
    """The functions that are typed into the running notebook or prompt, those of its jobs included."""
    return [
        each
        for value in list(vars(sys.modules["__main__"]).values())
        for each in _functions(value).values()
        if inspect.isfunction(each) and each.__module__ == "__main__" and not is_saved(each)
    ]


def _functions(value: object) -> dict[str, Any]:
    """A value by the empty path, and, if it is a job, its functions by the paths of their fields."""
    fields = getattr(value, "functions", None) if isinstance(value, BaseModel) else None
    return {"": value, **(fields if isinstance(fields, dict) else {})}


def is_saved(function: Callable[..., Any]) -> bool:
    """Whether a function can be loaded again: a file defines it under its own name.

    Args:
        function: The function.
    """
    typed_in = inspect.unwrap(function).__code__.co_filename.startswith("<")
    return not typed_in and source_of(function) is not None and qualified_name(function) is not None


def qualified_name(function: Callable[..., Any]) -> str | None:
    """The name by which a function is found in the module that defines it, also after another import.

    A lambda, or a function that another one returned, is found by a variable (`build`) or a job (`JOB.model`).

    Args:
        function: The function.

    Returns:
        The name; None if the module has none for it.
    """
    home = home_of(function)
    if named_in(home, function.__qualname__) is function:
        return str(function.__qualname__)
    assigned: set[str] | None = None
    for name, value in list(home.items()):
        for path, each in _functions(value).items():
            if each is function:
                assigned = _assigned(source_of(function)) if assigned is None else assigned
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
    """The globals of the module that defines a function; sys.modules may contain another version of that module.

    Args:
        function: The function.
    """
    return getattr(inspect.unwrap(function), "__globals__", {})


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
