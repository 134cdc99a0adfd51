"""Whether an objective returns another value than it reports, from its source."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def other_return(function: Any) -> int | None:
    """The line at which an objective that reports returns a value that no report has."""
    if (parsed := _parsed(function)) is None:
        return None
    outermost, first = parsed
    if not isinstance(outermost, ast.FunctionDef):
        return None
    nodes = list(_own(outermost))
    assigned = [(target.id, each.value) for each in nodes if isinstance(each, ast.Assign)
                for target in each.targets if isinstance(target, ast.Name)]  # fmt: skip

    def texts(value: ast.expr) -> set[str]:
        if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "float" and len(value.args) == 1:
            return texts(value.args[0])
        name = value.id if isinstance(value, ast.Name) else None
        return {ast.unparse(value), *(ast.unparse(given) for target, given in assigned if target == name)}

    reported = [text for each in nodes if isinstance(each, ast.Call) and getattr(each.func, "attr", "") == "report"
                for value in each.args[:1] for text in texts(value)]  # fmt: skip
    returns = [each for each in nodes if isinstance(each, ast.Return) and each.value is not None]
    others = [each.lineno for each in returns if each.value is not None and not texts(each.value) & set(reported)]
    return first + min(others) - 1 if reported and others else None


def _parsed(function: Any) -> tuple[ast.stmt, int] | None:
    """A function's statement, and its first line in its file; None if there is no source."""
    try:
        lines, first = inspect.getsourcelines(function)
        return ast.parse(textwrap.dedent("".join(lines))).body[0], first
    except (OSError, TypeError, SyntaxError):
        return None


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions within it."""
    for each in ast.iter_child_nodes(node):
        if not isinstance(each, _INNER):
            yield each
            yield from _own(each)
