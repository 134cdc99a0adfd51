"""Public functions document their parameters, their value and the errors that they raise, by their sources."""

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
_NO_VALUE = {"None", "NoReturn", "Never", "Iterator[None]", "AsyncIterator[None]"}
_STRUCTURES = {"tuple", "ndarray", "NDArray", "DataFrame", "Table"}
_VALUE_FIRST = {
    "The",
    "A",
    "An",
    "Whether",
    "What",
    "How",
    "Why",
    "Which",
    "Where",
    "When",
    "Each",
    "Every",
    "All",
    "Both",
    "Those",
    "One",
}
"""First words of a summary that names the value itself, so that it needs no Returns."""
_SECTION = re.compile(r"^\s*(Args|Returns|Raises|Yields):\s*$")


@dataclass(frozen=True)
class Module:
    """A module of the package: its dotted name and its syntax tree."""

    name: str
    tree: ast.Module

    def imported(self, name: str) -> str:
        """The dotted name of the origin of a name of the module."""
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
    """Functions that Typer calls, which documents their parameters by the help of each option."""
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
    """A class of another library, or of Python."""
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
    """The names that a section explains, each at the beginning of a line: `name: …`."""
    return {name.strip("* ") for line in re.findall(r"^ *([\w*, .]+):", section, re.M) for name in line.split(",")}


def raised(module: Module, function: ast.FunctionDef) -> set[str]:
    """The errors of pipeline.errors that leave the function: raised and not caught in its body."""
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
    """Every public function, and every public method of a public class, except those that the rules exempt."""
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


def _names(expression: ast.expr) -> set[str]:
    """The last parts of all names in a type, which may be a string."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        expression = ast.parse(expression.value, mode="eval").body
    return {
        dotted(node).rpartition(".")[2] for node in ast.walk(expression) if isinstance(node, ast.Name | ast.Attribute)
    }


def aliases(tree: ast.Module) -> set[str]:
    """Names that a module gives to types with parts, shapes or columns: `Reals = npt.NDArray[np.float64]`."""
    pairs = [
        (target, node.value)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return {
        target.id
        for target, value in pairs
        if isinstance(target, ast.Name) and isinstance(value, ast.Subscript | ast.BinOp) and _names(value) & _STRUCTURES
    }


ALIASES = set().union(*(aliases(module.tree) for module in MODULES))


def is_generator(function: ast.FunctionDef) -> bool:
    """Whether a function itself yields; the functions inside it do not count."""
    open_nodes: list[ast.AST] = list(function.body)
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            open_nodes += ast.iter_child_nodes(node)
    return False


def lacks_returns(function: ast.FunctionDef) -> str:
    """The reason why a function with parameters needs another Returns or Yields; empty if it does not.

    Args:
        function: The function.
    """
    text = ast.get_docstring(function) or ""
    value = ast.unparse(function.returns) if function.returns else "None"
    named = {"Returns", "Yields"} & set(sections(text))
    if named and (wrong := "Returns" if is_generator(function) else "Yields") in named:
        return f"has {wrong}, and its body says the other one"
    if value in _NO_VALUE or named:
        return ""
    if value == "Any" or (function.returns and _names(function.returns) & (_STRUCTURES | ALIASES)):
        return f"returns {value}, whose parts, shape or columns are for Returns to say"
    first = re.split(r"[\s,;:.]", text, maxsplit=1)[0]
    return "" if first in _VALUE_FIRST else f"has no Returns, and its summary does not name the value: {first} …"


@cache
def findings() -> list[tuple[str, str]]:
    """The faults of docstrings: (package, sentence)."""
    found = []
    for module, owner, function in functions():
        where = ".".join(filter(None, (module.name, owner and owner.name, function.name)))
        parts = sections(ast.get_docstring(function) or "")
        explained = entries(parts.get("Args", ""))
        missing = [name for name in parameters(owner, function) if name not in explained]
        if missing:
            found.append((_room(module), f"{where} has no Args for {', '.join(missing)}"))
        if parameters(owner, function) and (why := lacks_returns(function)):
            found.append((_room(module), f"{where} {why}"))
        named = entries(parts.get("Raises", ""))
        for name in sorted(raised(module, function)):
            if not named & {each.__name__ for each in _ancestors(name)}:
                found.append((_room(module), f"{where} raises {name}, which is not in its Raises"))
    return found


def _room(module: Module) -> str:
    return ".".join(module.name.split(".")[:2])


@pytest.mark.parametrize("package", sorted({_room(module) for module in MODULES}))
def test_public_functions_document_args_returns_and_raises(package: str) -> None:
    """Each public function explains each parameter and its value, and names each error that its body raises."""
    assert [sentence for room, sentence in findings() if room == package] == []


def test_the_check_sees_what_it_is_for() -> None:
    """The check finds parameters, errors and bases as Python defines them."""
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


@pytest.mark.parametrize(
    ("source", "lacking"),
    [
        ('def f(x) -> str:\n    """The path of x."""', False),
        ('def f(x) -> bool:\n    """Whether x is there."""', False),
        ('def f(x) -> str:\n    """Read x."""', True),
        ('def f(x) -> list[str]:\n    """Paths of x."""', True),
        ('def f(x) -> str:\n    """Read x.\n\n    Returns:\n        Its text.\n    """', False),
        ('def f(x) -> Iterator[str]:\n    """Read x.\n\n    Yields:\n        Lines.\n    """\n    yield x', False),
        ('def f(x) -> Iterator[str]:\n    """Read x.\n\n    Returns:\n        Lines.\n    """\n    yield x', True),
        ('def f(x) -> Iterator[str]:\n    """Read x.\n\n    Yields:\n        Lines.\n    """\n    return x', True),
        ('def f(x) -> None:\n    """Write x."""', False),
        ('def f(x) -> Iterator[None]:\n    """Hold x."""', False),
        ('def f(x) -> tuple[int, int] | None:\n    """The ends of x."""', True),
        ('def f(x) -> "pd.DataFrame":\n    """The rows of x."""', True),
        ('def f(x) -> list[Reals]:\n    """The columns of x."""', True),
        ('def f(x) -> Any:\n    """The value of x."""', True),
        ('def f(x) -> dict[str, Any]:\n    """The fields of x."""', False),
    ],
)
def test_a_value_needs_returns_unless_the_summary_names_it(source: str, lacking: bool) -> None:
    """Returns may be left out only where the first word names the value, and the value has no parts to explain."""
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert bool(lacks_returns(function)) is lacking
