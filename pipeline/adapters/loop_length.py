"""How often code reports, from its source: the length of the loops around the call, or around a `yield`."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from pipeline.adapters.range_length import called_name, constant_value, expression_text, length_of_range

if TYPE_CHECKING:
    from types import GeneratorType


YIELDS = "yield"
"""What stands for a call in a function that yields what it reports."""

_REPEATED = (
    ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef,
)  # fmt: skip
"""The code in these statements runs an unknown number of times."""


class _Unknown(Exception):
    """The source does not say how often a call is made."""


def reports_of(function: Callable[..., Any], method: str, values: Mapping[str, Any]) -> int | None:
    """The number of times that a function calls something in its loops `for … in range(…)`."""
    try:
        count, in_loop = _reports(inspect.unwrap(function), method, values, ())
    except _Unknown:
        return None
    return count if in_loop else None


def steps_of(generator: "GeneratorType[Any, Any, Any]", config: Mapping[str, Any]) -> int | None:
    """The number of steps of a generator that has not begun, according to its source and its arguments."""
    frame, code = generator.gi_frame, generator.gi_code
    if frame is None or code.co_name == "<genexpr>":
        # The source of an expression is the lines around it.
        return None
    function = FunctionType(code, frame.f_globals, closure=tuple(CellType() for _ in code.co_freevars))
    values: dict[str, int] = {}
    for name, value in frame.f_locals.items():
        values.update(_whole(name, value))
        if isinstance(value, Mapping) and _is_equal(value, config):
            values.update(known_values(value, name))
    return reports_of(function, YIELDS, values)


def _reports(
    function: Callable[..., Any], method: str, values: Mapping[str, Any], above: tuple[Any, ...]
) -> tuple[int, bool]:
    """The number of calls, and whether one is in a loop."""
    if (tree := _tree(getattr(function, "__code__", None))) is None:
        return 0, False
    home = _globals(function)
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    values = {text: value for text, value in values.items() if text not in stored}
    assigned = _locals(tree)
    # A generator that takes fewer steps than it says would not run to its end.
    ends = _locals(tree, once=True) if method == YIELDS else assigned
    looped = False
    outermost: ast.AST = tree.body[0]
    if getattr(function, "__name__", "") == "<lambda>":
        # Its source is the statement around it.
        lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
        if len(lambdas) != 1:
            raise _Unknown
        outermost = lambdas[0]

    def count(node: ast.AST, loops: tuple[tuple[str, int | None], ...]) -> int:
        nonlocal looped
        number = int(method == YIELDS and isinstance(node, ast.Yield))
        if method == YIELDS and isinstance(node, ast.YieldFrom):
            number, inner = _delegated(node.value, function, values, home, above)
            looped = looped or inner
        # What a called function yields is not what this one yields.
        if method != YIELDS and isinstance(node, ast.Call):
            own = home.get(getattr(node.func, "id", ""))
            if calls(node, method):
                number = 1
            elif inspect.isfunction(own) and own.__module__ == function.__module__ and own not in above:
                number, inner = _reports(own, method, values, (*above, function))
                looped = looped or inner
        if number:
            # A loop over callbacks calls each of them once.
            called = getattr(getattr(getattr(node, "func", None), "value", None), "id", None)
            counted = [length for target, length in loops if target != called]
            looped = looped or bool(counted)
            for length in counted:
                if length is None:
                    raise _Unknown
                number *= length
        if isinstance(node, ast.For):
            inside = (
                *loops,
                (getattr(node.target, "id", ""), length_of_range(node.iter, home, values, assigned, ends)),
            )
        elif isinstance(node, _REPEATED) and node is not outermost:
            inside = (*loops, ("", None))
        else:
            inside = loops
        return number + sum(count(each, inside) for each in ast.iter_child_nodes(node))

    return count(outermost, ()), looped


def _delegated(
    generator: ast.expr, function: Callable[..., Any], values: Mapping[str, Any], home: Mapping[str, Any], above: Any
) -> tuple[int, bool]:
    """What `_reports` returns for a generator of the same module, for the arguments with which it is called."""
    called: Any = home.get(getattr(getattr(generator, "func", None), "id", ""))
    same_module = inspect.isgeneratorfunction(called) and called.__module__ == function.__module__
    if not isinstance(generator, ast.Call) or not same_module or called in above:
        raise _Unknown
    keywords = {str(each.arg): each.value for each in generator.keywords}
    try:
        bound = inspect.signature(called).bind(*generator.args, **keywords)
    except TypeError:
        raise _Unknown from None
    bound.apply_defaults()
    passed: dict[str, Any] = {}
    for name, argument in bound.arguments.items():
        passed.update(_whole(name, argument))
        if isinstance(argument, ast.expr):
            text = expression_text(argument)
            passed.update({name + key.removeprefix(text): value for key, value in values.items()
                           if key.startswith((f"{text}[", f"{text}.get(")) or key == text})  # fmt: skip
            try:
                passed.update(_whole(name, constant_value(argument, home)))
            except Exception:
                continue
    return _reports(called, YIELDS, passed, (*above, function))


def _is_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    try:
        return bool(one == other)
    except Exception:
        # Arrays, for example, have no single answer.
        return False


def _whole(name: str, value: Any) -> dict[str, int]:
    return {name: value} if isinstance(value, int) and not isinstance(value, bool) else {}


def called_once(function: Callable[..., Any], method: str) -> bool:
    """Whether the source of a function has one call of something, outside of all loops."""
    try:
        return _reports(inspect.unwrap(function), method, {}, ()) == (1, False)
    except _Unknown:
        return False


def first_parameter(function: Callable[..., Any]) -> str:
    """The name of a function's first parameter; `config` if it has none."""
    try:
        return next(iter(inspect.signature(function).parameters), "config")
    except (TypeError, ValueError):
        return "config"


def known_values(config: Mapping[str, Any], name: str) -> Iterator[tuple[str, int]]:
    """The whole numbers of a config by the expressions that give them, such as `config["epochs"]`."""
    for key, value in config.items():
        for expression in (f'{name}["{key}"]', f'{name}.get("{key}")'):
            if isinstance(value, Mapping):
                yield from known_values(value, expression)
            elif isinstance(value, int):
                yield expression, value


def calls(node: ast.AST, method: str) -> bool:
    """Whether a part of a source is a call of something."""
    return isinstance(node, ast.Call) and called_name(node) == method


@functools.lru_cache(maxsize=64)
def _tree(code: CodeType | None) -> ast.Module | None:
    """The syntax tree of a function, from its code; None if it has no source."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(code)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError):
        return None


def _globals(function: Callable[..., Any]) -> dict[str, Any]:
    """The globals of a function that no name of its own hides."""
    code = function.__code__
    own = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
    return {name: value for name, value in function.__globals__.items() if name not in own}


def _locals(tree: ast.AST, *, once: bool = False) -> dict[str, ast.expr]:
    """The values of the names of a function: of their only assignment, or a constant of the first one unless `once`."""
    assignments: dict[str, list[ast.expr]] = {}
    changed = {node.target.id for node in ast.walk(tree)
               if isinstance(node, ast.AugAssign | ast.For) and isinstance(node.target, ast.Name)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    assignments.setdefault(target.id, []).append(node.value)
    firsts = {
        name: min(each, key=lambda value: value.lineno) for name, each in assignments.items() if name not in changed
    }
    return {
        name: value
        for name, value in firsts.items()
        if len(assignments[name]) == 1 or (isinstance(value, ast.Constant) and not once)
    }
