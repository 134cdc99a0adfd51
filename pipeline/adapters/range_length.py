"""The length of a range in a source: of constants, known values and the names of a function."""

import ast
import copy
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

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


def length_of_range(
    iterable: ast.expr,
    names: Mapping[str, Any],
    values: Mapping[str, Any],
    starts: Mapping[str, ast.expr],
    ends: Mapping[str, ast.expr],
) -> int | None:
    """The length of a range."""
    # A number that is passed by its own name may be a state.
    configs = {text.partition("[")[0].partition(".")[0] for text in values} - values.keys()

    class Known(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            if isinstance(node, ast.Name) and node.id in left:
                # Each name once: a name that is set by its own value would never end.
                return self.visit(copy.deepcopy(left.pop(node.id)))
            if is_start and (first := _first_number(node, configs)) is not None:
                return first
            if isinstance(node, ast.expr) and (text := expression_text(node)) in values:
                return ast.copy_location(ast.Constant(values[text]), node)
            return self.generic_visit(node)

    while isinstance(iterable, ast.Call) and iterable.args and called_name(iterable) in _AROUND:
        iterable = iterable.args[0]
    if isinstance(iterable, ast.Call) and called_name(iterable) == "trange":
        iterable = ast.Call(ast.Name("range"), iterable.args, [])
    if not (isinstance(iterable, ast.Call) and getattr(iterable.func, "id", "") == "range"):
        return None
    try:
        known = copy.deepcopy(iterable)
        for place, argument in enumerate(known.args):
            is_start = place == 0 and len(known.args) > 1
            left = dict(starts if is_start else ends)
            known.args[place] = Known().visit(argument)
        return len(constant_value(known, names))
    except Exception:
        return None


def _first_number(node: ast.AST, configs: Collection[str]) -> ast.Constant | None:
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


def expression_text(node: ast.expr) -> str:
    """The text of an expression, `config.get("epochs", 3)` as `config.get("epochs")`."""
    if isinstance(node, ast.Call) and called_name(node) == "get" and len(node.args) == 2:
        node = ast.Call(node.func, node.args[:1], [])
    return ast.unparse(node).replace("'", '"')


def constant_value(node: ast.AST, names: Mapping[str, Any]) -> Any:
    """The value of an expression of constants, names and arithmetic: none of the user's functions is called."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp):
        return _ARITHMETIC[type(node.op)](constant_value(node.operand, names))
    if isinstance(node, ast.BinOp):
        return _ARITHMETIC[type(node.op)](constant_value(node.left, names), constant_value(node.right, names))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _FUNCTIONS[node.func.id](*(constant_value(each, names) for each in node.args))
    raise LookupError(ast.unparse(node))


def called_name(call: ast.Call) -> str:
    """The last part of the name of what is called; empty if it has none."""
    called = call.func
    return called.attr if isinstance(called, ast.Attribute) else str(getattr(called, "id", ""))
