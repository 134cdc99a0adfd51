"""How often code reports, from its source: the length of the loop around the call."""

import ast
import copy
import inspect
import operator
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["UNKNOWN_EPOCHS", "YIELDS", "keywords_of", "line_of_text", "mentions", "reports_of", "returned_after"]

UNKNOWN_EPOCHS = 100
"""The epochs of a trial if nothing says how often its code reports; docs/migrating.md names the number."""

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
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return 0, False
    home, assigned = getattr(function, "__globals__", {}), _locals(tree)
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
        if isinstance(node, ast.Call):
            own = home.get(getattr(node.func, "id", None))
            if _calls(node, method):
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
            inside = (*loops, (getattr(node.target, "id", ""), _length(node.iter, home, values, assigned)))
        elif isinstance(node, _REPEATED) and node is not outermost:
            inside = (*loops, ("", None))
        else:
            inside = loops
        return number + sum(count(each, inside) for each in ast.iter_child_nodes(node))

    return count(outermost, ()), looped


def mentions(target: Any, pattern: str, *, without_text: bool = True) -> bool:
    """Whether the text of the module of a function or a class matches a pattern.

    Args:
        target: The function or the class.
        pattern: The regular expression.
        without_text: The answer where there is no text.
    """
    module = inspect.getmodule(target)
    try:
        return re.search(pattern, inspect.getsource(target if module is None else module)) is not None
    except (OSError, TypeError):
        return without_text


def returned_after(function: Callable[..., Any], method: str) -> int | None:
    """The line at which a function that calls something returns a value, which may be another one.

    Args:
        function: The function.
        method: What it calls: the last part of its name.

    Returns:
        The first such line in its file; None if it returns nothing, does not call it itself, or has no source.
    """
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(function))
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    due: list[ast.AST] = [*tree.body]
    own: list[ast.AST] = []
    while due:
        own.append(node := due.pop())
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef)
        if not inner or node in tree.body:
            due += ast.iter_child_nodes(node)
    returns = [node.lineno for node in own if isinstance(node, ast.Return) and node.value is not None]
    return first + min(returns) - 1 if returns and any(_calls(node, method) for node in own) else None


def line_of_text(source: str, text: str) -> int:
    """The first line at which a dict has a text as its key; else the line of the text; 1 if there is none.

    Args:
        source: A source.
        text: The text.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return 1
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == text]
    keys = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    return min((node.lineno for node in nodes if id(node) in keys), default=min((n.lineno for n in nodes), default=1))


def keywords_of(source: str, keyword: str, *, together_with: str | None = None) -> str | None:
    """The text that a source gives for a keyword of its calls; None if it gives none, or several.

    Args:
        source: The source.
        keyword: The keyword.
        together_with: Another keyword that these calls have, too; None for all calls.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    calls = [{each.arg: each.value for each in node.keywords} for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = [call[keyword] for call in calls if keyword in call and (together_with is None or together_with in call)]
    texts = {value.value for value in given if isinstance(value, ast.Constant)}
    return str(texts.pop()) if len(texts) == 1 else None


def _calls(node: ast.AST, method: str) -> bool:
    return isinstance(node, ast.Call) and _called(node) == method


def _called(call: ast.Call) -> str:
    """The last part of the name of what is called; empty if it has none."""
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else str(getattr(called, "id", ""))


def _locals(tree: ast.AST) -> dict[str, ast.expr]:
    """The values of the names of a function: of their only assignment, or a constant of the first one."""
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
        name: value for name, value in firsts.items() if len(assignments[name]) == 1 or isinstance(value, ast.Constant)
    }


def _length(
    iterable: ast.expr, names: Mapping[str, Any], values: Mapping[str, Any], assigned: Mapping[str, ast.expr]
) -> int | None:
    left = dict(assigned)

    class Known(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if isinstance(node, ast.Name) and node.id in left:
                # Each name once: a name that is set by its own value would never end.
                return self.visit(copy.deepcopy(left.pop(node.id)))
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
        return len(_value(Known().visit(iterable), names))
    except Exception:
        return None


def _without_default(node: ast.expr) -> str:
    """The text of an expression, `config.get("epochs", 3)` as `config.get("epochs")`."""
    if isinstance(node, ast.Call) and _calls(node, "get") and len(node.args) == 2:
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
