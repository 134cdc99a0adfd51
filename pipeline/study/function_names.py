"""The names by which a module has a user's function: its own, a variable's, or that of a job's field."""

import ast
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from pipeline.study.source_loader import content_of


def functions_in(value: object) -> dict[str, Any]:
    """A value by the empty path, and, if it is a job, its functions by the paths of their fields."""
    fields = getattr(value, "functions", None) if isinstance(value, BaseModel) else None
    return {"": value, **(fields if isinstance(fields, dict) else {})}


def name_in(home: Mapping[str, Any], function: Callable[..., Any]) -> str | None:
    """The name by which a module has a function whenever it is imported; None if there is none."""
    if named_in(home, function.__qualname__) is function:
        return str(function.__qualname__)
    assigned: set[str] | None = None
    for name, value in list(home.items()):
        for path, each in functions_in(value).items():
            if each is function:
                assigned = _assigned(content_of(home)) if assigned is None else assigned
                if name in assigned:
                    return f"{name}.{path}" if path else name
    return None


def _assigned(source: bytes | None) -> set[str]:
    """The variables that a module assigns whenever it is imported, which excludes `if __name__ == "__main__":`."""
    try:
        statements = ast.parse(source or b"").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    targets = [
        target
        for statement in statements
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
    ]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def named_in(home: Mapping[str, Any], qualified_name: str) -> Any:
    """The object with a qualified name among the globals of a module; None if there is none."""
    first, *rest = qualified_name.split(".")
    value = home.get(first)
    for part in rest:
        if part.isdigit() and isinstance(value, tuple):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = getattr(value, part, None)
    return value
