"""What the source of a program says: whether it reports, what it returns, and what it names."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

from pipeline.adapters.loop_length import calls

UNKNOWN_EPOCHS = 100
"""The epochs of a trial if nothing says how often its code reports; docs/migrating.md names the number."""


def mentions(target: Any, pattern: str, *, without_text: bool = True) -> bool:
    """Whether the text of the module of a function or a class matches a pattern."""
    module = inspect.getmodule(target)
    try:
        return re.search(pattern, inspect.getsource(target if module is None else module)) is not None
    except (OSError, TypeError):
        return without_text


def returned_after(function: Callable[..., Any], method: str) -> int | None:
    """The line at which a function that calls something returns a value, which may be another one."""
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
    return first + min(returns) - 1 if returns and any(calls(node, method) for node in own) else None


def line_of_text(source: str, text: str) -> int:
    """The first line at which a dict has a text as its key; else the line of the text; 1 if there is none."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return 1
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == text]
    keys = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    return min((node.lineno for node in nodes if id(node) in keys), default=min((n.lineno for n in nodes), default=1))


def keywords_of(source: str, keyword: str, *, together_with: str | None = None) -> str | None:
    """The text that a source gives for a keyword of its calls; None if it gives none, or several."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    calls = [{each.arg: each.value for each in node.keywords} for node in ast.walk(tree) if isinstance(node, ast.Call)]
    given = [call[keyword] for call in calls if keyword in call and (together_with is None or together_with in call)]
    texts = {value.value for value in given if isinstance(value, ast.Constant)}
    return str(texts.pop()) if len(texts) == 1 else None
