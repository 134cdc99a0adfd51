"""The imports of a Python source, read from its text; nothing of it is run."""

import ast
import importlib.util
from dataclasses import dataclass

_BY_NAME = {"import_module", "__import__"}
_BY_PATH = {"spec_from_file_location", "SourceFileLoader", "run_path", "run_module"}


@dataclass(frozen=True, slots=True)
class Imports:
    """The imports of a module, anywhere in its text."""

    names: tuple[str, ...] = ()
    hidden: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RelativeImport:
    """A statement that imports relative to a package."""

    line: int
    level: int
    text: str
    absolute: str | None


def imports_of(source: bytes, module: str, *, package: bool = False) -> Imports:
    """The imports of a source."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Imports()
    home = module if package else module.rpartition(".")[0]
    names: dict[str, None] = {}
    hidden = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            base = _resolved("." * node.level + (node.module or ""), home)
            if base is not None:
                names.update(dict.fromkeys([base, *(f"{base}.{alias.name}" for alias in node.names)]))
        elif isinstance(node, ast.Call):
            called = _called(node)
            if called in _BY_PATH:
                hidden.append(node.lineno)
            elif called in _BY_NAME:
                name = _literal(node, module, home)
                if name is None:
                    hidden.append(node.lineno)
                else:
                    names[name] = None
    return Imports(tuple(names), tuple(hidden))


def relative_imports(source: bytes) -> tuple[RelativeImport, ...]:
    """The relative imports of a source, without those in a `try`, which another import may follow."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    tried = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        for statement in node.body
        for each in ast.walk(statement)
    }
    imports = [
        RelativeImport(node.lineno, node.level, ast.unparse(node), _absolute(node))
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in tried
    ]
    return tuple(sorted(imports, key=lambda each: each.line))


def _absolute(node: ast.ImportFrom) -> str | None:
    if node.level > 1:
        return None
    if node.module is None:
        return ast.unparse(ast.Import(node.names))
    return ast.unparse(ast.ImportFrom(node.module, node.names, 0))


def exported_names(source: bytes) -> tuple[str, ...]:
    """The names in the `__all__` of a source, if it is a list of literals."""
    try:
        tree = ast.parse(source)
        values = [
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets)
        ]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(name for value in values if isinstance(value, list | tuple) for name in value if isinstance(name, str))


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _literal(node: ast.Call, module: str, home: str) -> str | None:
    """The module that a call imports; None if its name is not a literal."""
    arguments = {keyword.arg: keyword.value for keyword in node.keywords}
    name = node.args[0] if node.args else arguments.get("name")
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    if not name.value.startswith("."):
        return name.value
    package = node.args[1] if len(node.args) > 1 else arguments.get("package")
    if isinstance(package, ast.Constant) and isinstance(package.value, str):
        return _resolved(name.value, package.value)
    return _resolved(name.value, {"__package__": home, "__name__": module}.get(getattr(package, "id", ""), ""))


def _resolved(name: str, home: str) -> str | None:
    try:
        return importlib.util.resolve_name(name, home)
    except (ImportError, ValueError):
        # It leads out of the package, so Python refuses it too.
        return None
