"""What a user's function changes outside of itself, such as by `global classes`, and whether other functions use it."""

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from types import FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

from pipeline.study.callables import python_function
from pipeline.study.reachable_objects import names_of, reachable
from pipeline.study.source_loader import content_of
from pipeline.study.user_frames import is_user_file

_CHANGING = frozenset(
    {
        "add",
        "append",
        "extend",
        "fit",
        "fit_on_texts",
        "fit_transform",
        "insert",
        "partial_fit",
        "setdefault",
        "update",
    }
)
"""Methods that change their object; layers that are adapted are found by their class."""

_Node: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Change: TypeAlias = tuple[str, str]
"""A name outside of a function, and what happens to it: it is `set`, or what it means is `changed`."""


def changes_used(function: Callable[..., Any], others: Iterable[Callable[..., Any]]) -> bool:
    """Whether a function changes something that others use: a global variable, an attribute, an object that it fits.

    It is read from the source: assignments to globals, to attributes and items of what the function does not make
    itself, and calls such as `encoder.fit(…)` and `names.append(…)`. What it sets in a module of a library does not
    count. Functions without a file change nothing, as far as is known.
    """
    used = _Used(others)
    reached = list(reachable([function]))
    instances = [each for each in reached if not isinstance(each, type | FunctionType | MethodType)]
    called = _called(function, [each for each in reached if isinstance(each, FunctionType)])
    for each in reached:
        if not isinstance(each, FunctionType) or not is_user_file(each.__code__.co_filename):
            continue
        for name, how in _changes(each):
            if name in each.__code__.co_varnames:
                # The object of a method; what a method makes itself is its own.
                owners = [owner for owner in instances if _is_method(each, owner)] if each.__name__ in called else []
                if each.__code__.co_varnames[0] == name and any(map(used.holds, owners)):
                    return True
            elif how == "set":
                if used.reads(each.__globals__, name):
                    return True
            elif used.holds(_outer(each, name)):
                return True
    return False


class _Used:
    """What functions use: objects, and globals by their names."""

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self._reached = list(reachable(functions))
        self._ids = set(map(id, self._reached))
        self._names = {
            (id(each.__globals__), name)
            for each in self._reached
            if isinstance(each, FunctionType)
            for name in names_of(each.__code__)
        }

    def holds(self, value: object) -> bool:
        """Whether an object that can change is one of those used."""
        if isinstance(value, type(None) | bool | int | float | str | bytes) or _is_library(value):
            return False
        return id(value) in self._ids

    def reads(self, home: dict[str, Any], name: str) -> bool:
        """Whether a global of a module is used."""
        return (id(home), name) in self._names


def _called(function: Callable[..., Any], reached: Iterable[FunctionType]) -> set[str]:
    """The names of the functions that a function may call, itself or through others, and its own."""
    called: set[str] = set()
    due = {str(python_function(function).__name__)}
    while due:
        called |= due
        due = {name for each in reached if each.__name__ in due for name in names_of(each.__code__)} - called
    return called


def _is_library(value: object) -> bool:
    """Whether an object is a module that is not the user's."""
    if not isinstance(value, ModuleType):
        return False
    # A package without an __init__.py has only folders. A module that loads itself later is not loaded for this.
    places = [vars(value).get("__file__"), *(vars(value).get("__path__") or ())]
    return not any(isinstance(place, str) and is_user_file(place) for place in places)


def _is_method(function: FunctionType, owner: object) -> bool:
    return function.__name__ != "__init__" and any(function in vars(kind).values() for kind in type(owner).__mro__)


def _outer(function: FunctionType, name: str) -> Any:
    """The object that a name means outside of a function; None if there is none."""
    if name in function.__code__.co_freevars:
        cell = (function.__closure__ or ())[function.__code__.co_freevars.index(name)]
        try:
            return cell.cell_contents
        except ValueError:
            return None
    return function.__globals__.get(name)


def _changes(function: FunctionType) -> Iterator[_Change]:
    """The names, outside of a function or of its first parameter, that it sets or whose objects it changes."""
    code = function.__code__
    source = content_of(function.__globals__)
    if source is None:
        return
    for node in _functions(source):
        name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
        if (name, _first_line(node)) == (code.co_name, code.co_firstlineno):
            yield from _changes_in(node, function)


@lru_cache(maxsize=64)
def _functions(source: bytes) -> list[_Node]:
    """The functions in a source, nested ones included; none if it is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, _Node)]


def _first_line(node: _Node) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(each.lineno for each in decorators)])


def _changes_in(definition: _Node, function: FunctionType) -> Iterator[_Change]:
    for node in ast.walk(definition):
        if isinstance(node, ast.Global):
            yield from ((name, "set") for name in node.names)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            yield from ((name, "changed") for name in _root(node.value))
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _CHANGING
            and not isinstance(_meant(node.func.value, function), ModuleType)
        ):
            yield from ((name, "changed") for name in _root(node.func.value))


def _meant(node: ast.expr, function: FunctionType) -> Any:
    """What a name outside of a function, or a name in a module such as `np.ma`, means; None if that is not known."""
    if isinstance(node, ast.Name):
        return _outer(function, node.id)
    if not isinstance(node, ast.Attribute):
        return None
    owner = _meant(node.value, function)
    return vars(owner).get(node.attr) if isinstance(owner, ModuleType) else None


def _root(node: ast.expr) -> Iterator[str]:
    """The name at which an expression such as `info["classes"].names` begins."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
