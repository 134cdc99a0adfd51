"""Files and folders next to a module that its text names, as in `Path(__file__).with_name("words.txt")`."""

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product, takewhile
from pathlib import Path

_MAX_ENTRIES = 1000
"""How many entries of a folder are looked at to find out whether it contains data."""

_PATHS = ("Path", "PurePath")

_MAX_PATHS = 1000
"""The maximum number of paths of one expression, each part of which may be one of several literals."""


def named_files(source: bytes) -> tuple[str, ...]:
    """Relative paths that a module may read next to itself; the caller checks whether the files exist.

    They are the literals of a text that uses `__file__`, joined where it joins them: by `/`, or as the arguments of one
    call, as in `joinpath` and `os.path.join`.
    """
    names: dict[str, None] = {}
    for node in _nodes(source):
        if isinstance(node, ast.Constant):
            parts: list[ast.expr] = [node]
        elif isinstance(node, ast.Call):
            parts = [argument for argument in node.args if isinstance(argument, ast.Constant)]
        elif isinstance(node, ast.BinOp):
            parts = _divisors(node, (ast.Constant,))
        else:
            continue
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if texts and len(texts) == len(parts):
            names["/".join(texts)] = None
    return tuple(names)


def joined_paths(source: bytes) -> tuple[str, ...]:
    """Relative paths that a text which uses `__file__` joins to another path: other literals may be any text.

    A part of a path is a literal, or a name that the module gives to literals: by an assignment, a loop over a list, an
    argument of one of its functions, or the default of an argument of its command line. A path ends before the first
    part that is not known.
    """
    nodes = _nodes(source)
    known = _literals_by_name(nodes)
    paths: dict[str, None] = {}
    for node in nodes:
        # A folder whose files have names that are made while it runs is a path by itself.
        choices = list(takewhile(bool, (_literals(part, known) for part in _joined(node))))
        if choices:
            paths |= dict.fromkeys("/".join(parts) for parts in islice(product(*choices), _MAX_PATHS))
    return tuple(paths)


def is_data_folder(place: Path) -> bool:
    """Whether a path is a folder that contains more than Python's modules, as far as its first entries show."""
    if not place.is_dir() or (place / "__init__.py").exists():
        return False
    with os.scandir(place) as entries:
        first = islice(entries, _MAX_ENTRIES)
        return any(not entry.name.endswith(".py") and entry.name != "__pycache__" for entry in first)


def _nodes(source: bytes) -> list[ast.AST]:
    """The nodes of a text that uses `__file__`; empty for another text, and for one that cannot be parsed."""
    if b"__file__" not in source:
        return []
    try:
        return list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _joined(node: ast.AST) -> list[ast.expr]:
    """The parts that an expression joins to a path; empty if it joins none."""
    if isinstance(node, ast.BinOp):
        return _divisors(node, (ast.Constant, ast.Name, ast.Attribute, ast.Call))
    if not isinstance(node, ast.Call):
        return []
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ("joinpath", "with_name"):
        return node.args
    # The first argument is the path, as in os.path.join(HERE, "data") and Path(HERE, "data"), unless it is a text.
    is_path = name in ("join", *_PATHS) and node.args and not isinstance(node.args[0], ast.Constant)
    return node.args[1:] if is_path else []


def _divisors(node: ast.expr, kinds: tuple[type[ast.expr], ...]) -> list[ast.expr]:
    """The operands of some kinds at the end of a chain of divisions: those of `folder / "a" / "b"`."""
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, kinds):
        parts.insert(0, node.right)
        node = node.left
    return parts


def _literals_by_name(nodes: Iterable[ast.AST]) -> Mapping[str, list[str]]:
    """The literals that each name of a module may have, wherever it is defined."""
    functions: dict[str, list[str]] = {}
    keyword_only: dict[str, list[str]] = {}
    pairs: list[tuple[str, ast.expr]] = []
    calls: list[ast.Call] = []
    loops: list[tuple[str, ast.expr]] = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            keywords = [argument.arg for argument in node.args.kwonlyargs]
            functions[node.name] = names
            keyword_only[node.name] = keywords
            pairs += zip(reversed(names), reversed(node.args.defaults), strict=False)
            pairs += [(name, value) for name, value in zip(keywords, node.args.kw_defaults, strict=True) if value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls.append(node)
        elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name):
            loops.append((node.target.id, node.iter))
        else:
            pairs += _assigned(node)
    for call in calls:
        names = functions.get(getattr(call.func, "id", ""), [])
        pairs += zip(names, call.args, strict=False)
        named = (*names, *keyword_only.get(getattr(call.func, "id", ""), []))
        pairs += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg in named]
    lists: dict[str, list[ast.expr]] = {}
    for name, value in pairs:
        if isinstance(value, ast.List | ast.Tuple | ast.Set):
            lists.setdefault(name, []).append(value)
    for name, values in loops:
        each = lists.get(values.id, []) if isinstance(values, ast.Name) else [values]
        pairs += [(name, item) for items in each for item in getattr(items, "elts", ())]
    pairs += _defaults_of_command_line(nodes)
    known: dict[str, list[str]] = {}
    for name, value in pairs:
        known.setdefault(name, []).extend(_literals(value, {}))
    return known


def _defaults_of_command_line(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """What argparse gives to `args.data` without arguments: the expression, and the default of its argument."""
    defaults: dict[str, ast.expr] = {}
    parsed: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            flags = [text for flag in node.args for text in _literals(flag, {})]
            # As argparse names it: by the first long option, else by the first one.
            flag = next((text for text in flags if text.startswith("--")), flags[0] if flags else "")
            name = (
                next(iter(_literals(given["dest"], {})), "") if "dest" in given else flag.lstrip("-").replace("-", "_")
            )
            if "default" in given:
                defaults[name] = given["default"]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            called = getattr(node.value.func, "attr", "")
            for target in node.targets:
                if called == "parse_known_args" and isinstance(target, ast.Tuple) and target.elts:
                    target = target.elts[0]
                if called in ("parse_args", "parse_known_args") and isinstance(target, ast.Name):
                    parsed.append(target.id)
    yield from ((f"{name}.{attribute}", value) for name in parsed for attribute, value in defaults.items())


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The names that a statement assigns, each with its value."""
    if isinstance(node, ast.Assign):
        yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value


def _literals(part: ast.expr, known: Mapping[str, list[str]]) -> list[str]:
    """The texts that a part of a path may be; empty if that is not known."""
    if isinstance(part, ast.Constant):
        return [part.value] if isinstance(part.value, str) else []
    if isinstance(part, ast.Call):
        # As in `HERE / Path("data")`.
        is_path = getattr(part.func, "attr", getattr(part.func, "id", "")) in _PATHS and part.args
        choices = [_literals(argument, known) for argument in part.args]
        return ["/".join(parts) for parts in islice(product(*choices), _MAX_PATHS)] if is_path else []
    if isinstance(part, ast.Attribute):
        name = f"{getattr(part.value, 'id', '')}.{part.attr}"
        return [os.pardir] if name in ("os.pardir", "path.pardir") else known.get(name, [])
    return known.get(part.id, []) if isinstance(part, ast.Name) else []
