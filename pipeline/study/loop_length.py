"""How often code reports, from its source: the length of the loops around the call, or around a `yield`."""

import ast
import copy
import functools
import inspect
import operator
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from types import CodeType
from typing import Any

__all__ = ["YIELDS", "called_once", "calls", "first_parameter", "known_values", "reports_of"]

YIELDS = "yield"
"""What stands for a call in a function that yields what it reports."""

_FUNCTIONS: dict[str, Callable[..., Any]] = {"range": range, "len": len, "min": min, "max": max, "int": int}
_AROUND = ("tqdm", "enumerate", "reversed", "list")
"""Functions that iterate over their first argument."""

_ARITHMETIC: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}

_REPEATED = (
    ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef,
)  # fmt: skip
"""The code in these statements runs an unknown number of times."""


class _Unknown(Exception):
    """The source does not say how often a call is made."""


def reports_of(function: Callable[..., Any], method: str, values: Mapping[str, Any]) -> int | None:
    """The number of times that a function calls something in its loops `for … in range(…)`.

    Args:
        function: The function; functions of its module that it calls are read, too.
        method: What it calls: the last part of its name; or `YIELDS`.
        values: The known values, by their expressions, such as `config["epochs"]`.

    Returns:
        The number, or more where only one of several branches is taken; None if the text does not say it, or there is
        no such loop.
    """
    try:
        count, in_loop = _reports(inspect.unwrap(function), method, values, ())
    except _Unknown:
        return None
    return count if in_loop else None


def _reports(
    function: Callable[..., Any], method: str, values: Mapping[str, Any], above: tuple[Any, ...]
) -> tuple[int, bool]:
    """The number of calls, and whether one is in a loop.

    Raises:
        _Unknown: A call is made in a loop of unknown length, or in a function within the function.
    """
    if (tree := _tree(getattr(function, "__code__", None))) is None:
        return 0, False
    home = _globals(function)
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
            raise _Unknown
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
            inside = (*loops, (getattr(node.target, "id", ""), _length(node.iter, home, values, assigned, ends)))
        elif isinstance(node, _REPEATED) and node is not outermost:
            inside = (*loops, ("", None))
        else:
            inside = loops
        return number + sum(count(each, inside) for each in ast.iter_child_nodes(node))

    return count(outermost, ()), looped


def called_once(function: Callable[..., Any], method: str) -> bool:
    """Whether the source of a function has one call of something, outside of all loops.

    Args:
        function: The function; functions of its module that it calls are read, too.
        method: What it calls: the last part of its name.
    """
    try:
        return _reports(inspect.unwrap(function), method, {}, ()) == (1, False)
    except _Unknown:
        return False


def first_parameter(function: Callable[..., Any]) -> str:
    """The name of a function's first parameter; `config` if it has none.

    Args:
        function: The function.
    """
    try:
        return next(iter(inspect.signature(function).parameters), "config")
    except (TypeError, ValueError):
        return "config"


def known_values(config: Mapping[str, Any], name: str) -> Iterator[tuple[str, int]]:
    """The whole numbers of a config by the expressions that give them, such as `config["epochs"]`.

    Args:
        config: The config, or a space with constants.
        name: The parameter of the function that gets it.

    Yields:
        An expression, and its value.
    """
    for key, value in config.items():
        for expression in (f'{name}["{key}"]', f'{name}.get("{key}")'):
            if isinstance(value, Mapping):
                yield from known_values(value, expression)
            elif isinstance(value, int):
                yield expression, value


def calls(node: ast.AST, method: str) -> bool:
    """Whether a part of a source is a call of something.

    Args:
        node: The part.
        method: What is called: the last part of its name.
    """
    return isinstance(node, ast.Call) and _called(node) == method


@functools.lru_cache(maxsize=64)
def _tree(code: CodeType | None) -> ast.Module | None:
    """The syntax tree of a function, from its code; None if it has no source."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(code)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError):
        return None


def _called(call: ast.Call) -> str:
    """The last part of the name of what is called; empty if it has none."""
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else str(getattr(called, "id", ""))


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


def _length(
    iterable: ast.expr,
    names: Mapping[str, Any],
    values: Mapping[str, Any],
    starts: Mapping[str, ast.expr],
    ends: Mapping[str, ast.expr],
) -> int | None:
    """The length of a range.

    Args:
        iterable: What a loop iterates over.
        names: The globals.
        values: The known values, by their expressions.
        starts: The values of local names in the start of a range.
        ends: Those in its other arguments.

    Returns:
        The length; None if it is not known.
    """
    configs = {text.partition("[")[0].partition(".")[0] for text in values}

    class Known(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if isinstance(node, ast.Name) and node.id in left:
                # Each name once: a name that is set by its own value would never end.
                return self.visit(copy.deepcopy(left.pop(node.id)))
            if is_start and (first := _first(node, configs)) is not None:
                return first
            if isinstance(node, ast.expr) and (text := _without_default(node)) in values:
                return ast.copy_location(ast.Constant(values[text]), node)
            return self.generic_visit(node)

    while isinstance(iterable, ast.Call) and iterable.args and _called(iterable) in _AROUND:
        iterable = iterable.args[0]
    if isinstance(iterable, ast.Call) and _called(iterable) == "trange":
        iterable = ast.Call(ast.Name("range"), iterable.args, [])
    if not (isinstance(iterable, ast.Call) and getattr(iterable.func, "id", "") == "range"):
        return None
    try:
        known = copy.deepcopy(iterable)
        for place, argument in enumerate(known.args):
            is_start = place == 0 and len(known.args) > 1
            left = dict(starts if is_start else ends)
            known.args[place] = Known().visit(argument)
        return len(_value(known, names))
    except Exception:
        return None


def _first(node: ast.AST, configs: Collection[str]) -> ast.Constant | None:
    """Where a loop begins without a state: the 0 or 1 in `state or 0` and `0 if state is None else state["at"]`.

    A start that a config decides is another thing, and so is one of two constants.
    """
    choices: list[ast.expr] = []
    if isinstance(node, ast.IfExp):
        choices = [node.body, node.orelse]
    elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        choices = node.values[-1:]
    constants = [each for each in choices if isinstance(each, ast.Constant) and type(each.value) is int]
    if len(constants) > 1 or any(isinstance(each, ast.Name) and each.id in configs for each in ast.walk(node)):
        return None
    return next((each for each in constants if each.value in (0, 1)), None)


def _without_default(node: ast.expr) -> str:
    """The text of an expression, `config.get("epochs", 3)` as `config.get("epochs")`."""
    if isinstance(node, ast.Call) and calls(node, "get") and len(node.args) == 2:
        node = ast.Call(node.func, node.args[:1], [])
    return ast.unparse(node).replace("'", '"')


def _value(node: ast.AST, names: Mapping[str, Any]) -> Any:
    """The value of an expression of constants, names and arithmetic: none of the user's functions is called.

    Raises:
        LookupError: It has a name that is unknown, or consists of something else.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp):
        return _ARITHMETIC[type(node.op)](_value(node.operand, names))
    if isinstance(node, ast.BinOp):
        return _ARITHMETIC[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _FUNCTIONS[node.func.id](*(_value(each, names) for each in node.args))
    raise LookupError(ast.unparse(node))
