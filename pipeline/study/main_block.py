"""What a script sets only under `if __name__ == "__main__":`, which no process runs that imports the script."""

import ast
import dis
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TypeGuard

from pipeline.study.reachable_objects import reachable
from pipeline.study.source_loader import content_of

_BLOCK = '`if __name__ == "__main__":`'


@dataclass(frozen=True, slots=True)
class MainNames:
    """The global names that a file sets."""

    guarded: frozenset[str]
    imported: frozenset[str]


def is_main_guard(statement: ast.stmt) -> TypeGuard[ast.If]:
    """Whether a statement is `if __name__ == "__main__":`."""
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return False
    names = {each.id for each in ast.walk(statement.test) if isinstance(each, ast.Name)}
    texts = {each.value for each in ast.walk(statement.test) if isinstance(each, ast.Constant)}
    others = any(isinstance(each, ast.NotEq | ast.NotIn) for each in statement.test.ops)
    return "__name__" in names and "__main__" in texts and not others


def main_names(source: bytes | None) -> MainNames:
    """The global names that a file sets."""
    try:
        statements = ast.parse(source or b"").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        statements = []
    guards = [statement for statement in statements if is_main_guard(statement)]
    block = [each for guard in guards for each in guard.body]
    # An import runs what follows `else:`.
    rest = [statement for statement in statements if not is_main_guard(statement)]
    rest += [each for guard in guards for each in guard.orelse]
    functions = {each.name: each for each in rest if isinstance(each, ast.FunctionDef)}
    imported = _set_by(rest, functions)
    return MainNames(frozenset(_set_by(block, functions)), frozenset(imported))


def advice_on_main_block(error: BaseException) -> str:
    """What to do about a name that a file sets only under `if __name__ == "__main__":`; empty for any other error."""
    if not isinstance(error, NameError) or (trace := error.__traceback__) is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    home = trace.tb_frame.f_globals
    names = main_names(content_of(home))
    if error.name not in names.guarded - names.imported:
        return ""
    return (
        f"{_file(home)} sets {error.name} only under {_BLOCK}, and workers import the file without that block. Set it "
        "at the top level of the file, outside of that block: workers have the script's arguments, too."
    )


def notes_on_main_block(functions: Iterable[Callable[..., Any]]) -> Iterator[str]:
    """Notes on values that functions get only in the process that runs their script."""
    known: dict[int, MainNames] = {}
    noted = set[str]()
    for each in reachable(functions):
        home = each.__globals__ if isinstance(each, FunctionType) else {}
        if home.get("__name__") != "__main__" or "__file__" not in home:
            continue
        names = known.setdefault(id(home), main_names(content_of(home)))
        for name in sorted(names.guarded.intersection(_globals_of(each.__code__)) - noted):
            noted.add(name)
            have = "have the value that the file sets elsewhere" if name in names.imported else f"have no {name}"
            yield (
                f"{each.__qualname__} uses {name}, which {_file(home)} sets under {_BLOCK}. Workers, `tunepipe resume` "
                f"and load_model import the file without that block, so they {have}. Set it at the top level of the "
                "file, outside of that block: they have the script's arguments, too."
            )


def _file(home: Mapping[str, Any]) -> str:
    return Path(home.get("__file__") or "the file").name


def _set_by(statements: Iterable[ast.stmt], functions: Mapping[str, ast.FunctionDef]) -> set[str]:
    """The global names that statements of a file set when they run, and the file's functions that they call."""
    names, called = set[str](), set[str]()
    for statement in statements:
        _collect(statement, names, called)
    due, seen = called & functions.keys(), set[str]()
    while due:
        function = functions[due.pop()]
        seen.add(function.name)
        inner, calls = set[str](), set[str]()
        for statement in function.body:
            _collect(statement, inner, calls)
        declared = {name for each in ast.walk(function) if isinstance(each, ast.Global) for name in each.names}
        names |= inner & declared
        due |= (calls & functions.keys()) - seen
    return names


def _collect(node: ast.AST, names: set[str], called: set[str]) -> None:
    """Add the names that a statement sets, and those of the functions that it calls."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names.add(node.name)
        return
    if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        called.update(each.id for each in ast.walk(node) if isinstance(each, ast.Name))
        return
    if isinstance(node, ast.Name):
        (names if isinstance(node.ctx, ast.Store) else called).add(node.id)
    if isinstance(node, ast.Import | ast.ImportFrom):
        names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    for child in ast.iter_child_nodes(node):
        _collect(child, names, called)


def _globals_of(code: CodeType) -> set[str]:
    """The global names that a function's code reads."""
    own = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return own.union(*map(_globals_of, inner))
