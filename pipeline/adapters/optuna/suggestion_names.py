"""The names of all suggestions in the source of an objective and of the user's functions that it calls."""

import ast
import builtins
import functools
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from pipeline.code import is_user_file

_SUGGEST = "suggest_"
_LOOPS = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
_OPTUNA = ("optuna", "optuna_integration")
"""Packages whose functions and callbacks suggest nothing."""


class _Unknown(Exception):
    """The source does not say all names."""


def names_in_source(objective: Any) -> set[str] | None:
    """The names that an objective suggests, if its source shows all of them.

    A suggestion in a loop, or one whose name is made when it runs, may be several. Code that gets the trial, and whose
    source is not the user's or cannot be found before it runs, may make others.
    """
    while isinstance(objective, functools.partial) and not objective.args:
        objective = objective.func
    objective = inspect.unwrap(objective) if callable(objective) else objective
    if not inspect.isfunction(objective):
        return None
    names: set[str] = set()
    due, seen = [(objective, frozenset(list(inspect.signature(objective).parameters)[:1]))], set()
    try:
        while due:
            if (function := due.pop()) not in seen:
                seen.add(function)
                source = _Source(*function)
                names |= source.names
                due += source.called
    except _Unknown:
        return None
    return names or None


class _Source:
    """What the source of a function says."""

    def __init__(self, function: FunctionType, trials: frozenset[str]) -> None:
        self.names: set[str] = set()
        self.called: list[tuple[FunctionType, frozenset[str]]] = []
        """The user's functions that it calls, each with its parameters that are the trial."""
        self._home, self._trials = function.__globals__, trials
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, TypeError, SyntaxError):
            raise _Unknown from None
        nodes = list(ast.walk(tree))
        self._own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        """Functions within the function, whose source is a separate part."""
        self._repeated = {id(each) for node in nodes if isinstance(node, _LOOPS) for each in ast.walk(node)}
        self._known: set[int] = set()
        """Nodes that suggest nothing beyond what is found."""
        for node in nodes:
            self._read(node)
        for node in nodes:
            is_trial = isinstance(node, ast.Name) and node.id in trials
            is_method = isinstance(node, ast.Attribute) and node.attr.startswith(_SUGGEST)
            if (is_trial or is_method) and id(node) not in self._known:
                raise _Unknown

    def _read(self, node: ast.AST) -> None:
        if isinstance(node, ast.Attribute | ast.FormattedValue):
            self._known.add(id(node.value))
        elif isinstance(node, ast.Compare):
            self._known |= {id(each) for each in (node.left, *node.comparators)}
        elif isinstance(node, ast.Call):
            self._known.add(id(node.func))
            if isinstance(node.func, ast.Attribute) and node.func.attr.startswith(_SUGGEST):
                self._suggestion(node)
            else:
                self._call(node)

    def _suggestion(self, call: ast.Call) -> None:
        given = [*call.args[:1], *(each.value for each in call.keywords if each.arg == "name")]
        if id(call) in self._repeated or not (given and isinstance(given[0], ast.Constant)):
            raise _Unknown
        self.names.add(str(given[0].value))

    def _call(self, call: ast.Call) -> None:
        given = {place: each for place, each in _arguments(call) if isinstance(each, ast.Name)}
        given = {place: each for place, each in given.items() if each.id in self._trials}
        self._known |= {id(each) for each in given.values()}
        if isinstance(call.func, ast.Name) and call.func.id in self._own:
            return
        target, shift = _resolved(call.func, self._home)
        if inspect.isfunction(target) and is_user_file(target.__code__.co_filename):
            if id(call) in self._repeated and _SUGGEST in _text(target):
                raise _Unknown
            self.called.append((target, _parameters(target, given, shift)))
        elif given and not _suggests_nothing(target):
            raise _Unknown


def _arguments(call: ast.Call) -> Iterator[tuple[int | str | None, ast.expr]]:
    yield from enumerate(call.args)
    yield from ((each.arg, each.value) for each in call.keywords)


def _resolved(node: ast.expr, home: Mapping[str, Any]) -> tuple[Any, int]:
    """What a name or an attribute stands for before the code runs, None if that is unknown; and 1 if it is bound."""
    if isinstance(node, ast.Name):
        if node.id not in home and node.id != getattr.__name__ and hasattr(builtins, node.id):
            # Whatever has replaced it: Ray prints by its own function.
            return builtins, 0
        found = home.get(node.id, getattr(builtins, node.id, None))
        return (inspect.unwrap(found) if inspect.isfunction(found) else found), 0
    if not isinstance(node, ast.Attribute):
        return None, 0
    owner, _ = _resolved(node.value, home)
    found = None if owner is None else inspect.getattr_static(owner, node.attr, None)
    if found is None and isinstance(owner, ModuleType):
        # A module may find names when they are asked for: the module itself says whose they are.
        return owner, 0
    bound = isinstance(found, classmethod) or (inspect.isfunction(found) and not isinstance(owner, ModuleType | type))
    found = getattr(found, "__func__", found)
    return (inspect.unwrap(found) if inspect.isfunction(found) else found), int(bound)


def _parameters(function: FunctionType, given: Mapping[int | str | None, ast.Name], shift: int) -> frozenset[str]:
    """The parameters of a function that get the trial."""
    names = list(inspect.signature(function).parameters)
    found = set()
    for place in given:
        if isinstance(place, int) and place + shift < len(names):
            found.add(names[place + shift])
        elif isinstance(place, str) and place in names:
            found.add(place)
        else:
            raise _Unknown
    return frozenset(found)


def _suggests_nothing(target: Any) -> bool:
    """Whether code that gets the trial is known to suggest nothing."""
    if target in (getattr, functools.partial) or target is None:
        return False
    name = target.__name__ if isinstance(target, ModuleType) else str(getattr(target, "__module__", ""))
    package = name.partition(".")[0]
    if package in (*_OPTUNA, builtins.__name__):
        return True
    return inspect.isclass(target) and _SUGGEST not in _text(target, otherwise=_SUGGEST)


def _text(target: Any, otherwise: str = "") -> str:
    try:
        return inspect.getsource(target)
    except (OSError, TypeError):
        return otherwise
