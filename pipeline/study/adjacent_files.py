"""Files next to a module that its text names: what it opens by `Path(__file__).with_name("words.txt")`."""

import ast

__all__ = ["named_files"]


def named_files(source: bytes) -> tuple[str, ...]:
    """Relative paths that a module may read next to itself; the caller checks whether the files exist.

    They are the literals of a text that uses `__file__`, joined where it joins them: by `/`, or as the arguments of one
    call, as in `joinpath` and `os.path.join`.

    Args:
        source: The text of a module.

    Returns:
        Paths with slashes, each once, in the order of the source; empty if the source cannot be parsed.
    """
    if b"__file__" not in source:
        return ()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    names: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            parts = [node]
        elif isinstance(node, ast.Call):
            parts = [argument for argument in node.args if isinstance(argument, ast.Constant)]
        elif isinstance(node, ast.BinOp):
            parts = _divided(node)
        else:
            continue
        texts = [part.value for part in parts if isinstance(part.value, str)]
        if texts and len(texts) == len(parts):
            names["/".join(texts)] = None
    return tuple(names)


def _divided(node: ast.expr) -> list[ast.Constant]:
    """The literals at the end of a chain of divisions: those of `folder / "a" / "b"`."""
    parts: list[ast.Constant] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
        parts.insert(0, node.right)
        node = node.left
    return parts
