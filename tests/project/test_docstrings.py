"""Public functions document their arguments and the errors that they raise; read from the sources."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from pipeline import errors

PACKAGE = Path(errors.__file__).parent

_NOT_CALLED = {"property", "cached_property", "setter", "getter", "deleter", "overload", "override"}
_COMMANDS = {"command", "callback"}
_SECTION = re.compile(r"^\s*(Args|Returns|Raises|Yields):\s*$")


@dataclass(frozen=True)
class Module:
    """A module of the package: its dotted name and its syntax tree."""

    name: str
    tree: ast.Module

    def imported(self, name: str) -> str:
        """Where a name of the module comes from, as a dotted name."""
        first, _, rest = name.partition(".")
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == first:
                        return ".".join(filter(None, (node.module, alias.name, rest)))
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname == first:
                        return ".".join(filter(None, (alias.name, rest)))
                    if alias.asname is None and alias.name.split(".")[0] == first:
                        return name
        return f"{self.name}.{name}"


def modules() -> list[Module]:
    """Every module of the package that is not private by its name."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if not any(part.startswith("_") for part in name.split(".")):
            found.append(Module(name, ast.parse(file.read_text("utf-8"))))
    return found


MODULES = modules()
CLASSES = {
    f"{module.name}.{node.name}": (module, node)
    for module in MODULES
    for node in module.tree.body
    if isinstance(node, ast.ClassDef)
}


def public(name: str) -> bool:
    """Whether a name has no leading underscore."""
    return not name.startswith("_")


def commands(module: Module) -> set[str]:
    """Functions that Typer calls: it documents their parameters by the help of each option."""
    registered = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Call) and _is_command(node.func):
            registered |= {module.imported(each.id) for each in node.args if isinstance(each, ast.Name)}
        if isinstance(node, ast.FunctionDef) and any(_is_command(each) for each in node.decorator_list):
            registered.add(f"{module.name}.{node.name}")
    return registered


def _is_command(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _COMMANDS


COMMANDS = set().union(*(commands(module) for module in MODULES))


def dotted(node: ast.expr) -> str:
    """The dotted name of an expression; empty for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    return ""


def resolve(name: str) -> str:
    """The module where a class of the package is defined, where its name is imported from another one."""
    for module in MODULES:
        if name.startswith(f"{module.name}.") and name not in CLASSES:
            origin = module.imported(name.removeprefix(f"{module.name}."))
            if origin != name:
                return resolve(origin)
    return name


def is_override(module: Module, owner: ast.ClassDef, method: str) -> bool:
    """Whether a base class has a documented method of that name."""
    for expression in owner.bases:
        base = resolve(module.imported(dotted(expression)))
        if base in CLASSES:
            home, node = CLASSES[base]
            own = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == method]
            if any(ast.get_docstring(each) for each in own) or is_override(home, node, method):
                return True
        elif hasattr(_external(base), method):
            return True
    return False


def _external(name: str) -> object:
    """A class of another library, or of Python's."""
    home, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(home or "builtins"), attribute)
    except (ImportError, AttributeError):
        return getattr(import_module("builtins"), attribute, None) if home.startswith("pipeline.") else None


def sections(text: str) -> dict[str, str]:
    """The sections of a docstring in Google's form: title → text."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if match := _SECTION.match(line):
            current = found.setdefault(match[1], [])
        else:
            current.append(line)
    return {title: "\n".join(lines) for title, lines in found.items()}


def entries(section: str) -> set[str]:
    """The names that a section explains, one at the beginning of a line: `name: …`."""
    return {name.strip("* ") for line in re.findall(r"^ *([\w*, .]+):", section, re.M) for name in line.split(",")}


def raised(module: Module, function: ast.FunctionDef) -> set[str]:
    """The errors of pipeline.errors that leave the function's own body: raised there, and not caught there."""
    return set().union(*(_raised(module, node) for node in function.body))


def _raised(module: Module, node: ast.AST) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return set()
    found = set().union(*(_raised(module, child) for child in ast.iter_child_nodes(node)))
    if isinstance(node, ast.Raise) and node.exc is not None:
        name = dotted(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
        home, _, error = module.imported(name).rpartition(".")
        return found | {error} if home == errors.__name__ else found
    if isinstance(node, ast.Try):
        inside = set().union(*(_raised(module, child) for child in node.body))
        outside = set().union(*(_raised(module, child) for child in (*node.handlers, *node.orelse, *node.finalbody)))
        caught = {dotted(kind) for handler in node.handlers for kind in _kinds(handler)}
        return outside | {name for name in inside if not caught & {each.__name__ for each in _ancestors(name)}}
    return found


def _kinds(handler: ast.ExceptHandler) -> list[ast.expr]:
    return handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type] if handler.type else []


def _ancestors(error: str) -> tuple[type, ...]:
    found: tuple[type, ...] = getattr(errors, error).__mro__
    return found


def functions() -> Iterator[tuple[Module, ast.ClassDef | None, ast.FunctionDef]]:
    """Every public function, and every public method of a public class, but for those that the rules except."""
    for module in MODULES:
        owners = [None, *(node for node in module.tree.body if isinstance(node, ast.ClassDef) and public(node.name))]
        for owner in owners:
            for node in (owner or module.tree).body:
                if not isinstance(node, ast.FunctionDef) or not public(node.name):
                    continue
                decorators = {
                    dotted(each.func if isinstance(each, ast.Call) else each).rpartition(".")[2]
                    for each in node.decorator_list
                }
                if decorators & _NOT_CALLED or f"{module.name}.{node.name}" in COMMANDS:
                    continue
                if owner is not None and is_override(module, owner, node.name):
                    continue
                yield module, owner, node


def parameters(owner: ast.ClassDef | None, function: ast.FunctionDef) -> list[str]:
    """Names of a function's parameters, without the object or class that a method belongs to."""
    given = function.args
    static = any(dotted(each) == "staticmethod" for each in function.decorator_list)
    positional = [*given.posonlyargs, *given.args][0 if owner is None or static else 1 :]
    starred = [each for each in (given.vararg, given.kwarg) if each is not None]
    return [each.arg for each in (*positional, *given.kwonlyargs, *starred) if public(each.arg)]


@cache
def findings() -> list[tuple[str, str]]:
    """What docstrings lack: (package, sentence)."""
    found = []
    for module, owner, function in functions():
        where = ".".join(filter(None, (module.name, owner and owner.name, function.name)))
        parts = sections(ast.get_docstring(function) or "")
        explained = entries(parts.get("Args", ""))
        missing = [name for name in parameters(owner, function) if name not in explained]
        if missing:
            found.append((_room(module), f"{where} has no Args for {', '.join(missing)}"))
        named = entries(parts.get("Raises", ""))
        for name in sorted(raised(module, function)):
            if not named & {each.__name__ for each in _ancestors(name)}:
                found.append((_room(module), f"{where} raises {name}, which is not in its Raises"))
    return found


def _room(module: Module) -> str:
    return ".".join(module.name.split(".")[:2])


@pytest.mark.parametrize("package", sorted({_room(module) for module in MODULES}))
def test_public_functions_document_args_and_raises(package: str) -> None:
    """Each public function explains each parameter, and names each error of tunepipe that its body raises."""
    assert [sentence for room, sentence in findings() if room == package] == []


def test_the_check_sees_what_it_is_for() -> None:
    """Parameters, errors and bases are read as Python reads them."""
    source = '''
from pipeline.errors import DataError, ModelError, UserError
class Base:
    def run(self, x):
        """Run.

        Args:
            x: A number.
        """
class Child(Base):
    def run(self, x): ...
    def stop(self, why, *, now=False): raise DataError("no")
def load(path):
    """Load.

    Args:
        path, other: Two.

    Raises:
        UserError: No.
    """
    def inner(): raise UserError("no")
    try:
        raise ModelError("caught")
    except UserError: pass
    raise DataError("no")
'''
    module = Module("pipeline.example", ast.parse(source))
    child, load = module.tree.body[2:4]
    assert isinstance(child, ast.ClassDef)
    assert isinstance(load, ast.FunctionDef)
    stop = child.body[1]
    assert isinstance(stop, ast.FunctionDef)
    assert parameters(child, stop) == ["why", "now"]
    assert raised(module, stop) == {"DataError"}
    assert raised(module, load) == {"DataError"}
    parts = sections(ast.get_docstring(load) or "")
    assert entries(parts["Args"]) == {"path", "other"}
    assert entries(parts["Raises"]) == {"UserError"}
