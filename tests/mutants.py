"""Mutation of the kernel: which changes of a package's code do its tests not notice? `make mutants`."""

import argparse
import ast
import copy
import importlib
import itertools
import os
import random
import signal
import sys
from collections.abc import Iterator
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DRIVER = [f"tests/unit/execution/driver/test_{name}.py" for name in ("prune", "session", "record")]
TESTS = {
    "engine": ["tests/unit/engine", "tests/contract/test_studies.py", *DRIVER],
    "schedulers": ["tests/unit/schedulers", "tests/contract/test_schedulers.py"],
    "storage": ["tests/unit/storage", *DRIVER],
    "execution/driver/prune.py": DRIVER,
}
"""What is mutated, below `pipeline/`, and the tests of `make test` that look at it, the quickest first."""

LIBRARIES = ("duckdb", "hypothesis", "pandas", "psutil", "pyarrow.compute", "pyarrow.fs", "pyarrow.parquet", "pydantic")
"""What the tests import and no mutant changes: every fork has it."""

OPPOSITES: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
}  # fmt: skip
SECONDS = 60
"""A mutant may make a test endless."""


def changes(tree: ast.AST) -> Iterator[ast.AST]:
    """The tree after each change: an operator, a condition, a number or a call that is left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITES:
            kept = node.ops
            node.ops = [OPPOSITES[type(kept[0])](), *kept[1:]]
            yield node
            node.ops = kept
        elif isinstance(node, ast.BoolOp | ast.BinOp) and type(node.op) in OPPOSITES:
            operator: Any = node.op
            node.op = OPPOSITES[type(operator)]()
            yield node
            node.op = operator
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            test = node.test
            node.test = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
            yield node
            node.test = test
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            value = node.value
            node.value = value + 1
            yield node
            node.value = value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            node.value = ast.copy_location(ast.Constant(None), call)  # type: ignore[assignment]
            yield node
            node.value = call


def mutant(path: Path, number: int) -> tuple[int, ast.AST]:
    """The line that a mutant of a module changes, and its tree."""
    tree = ast.parse(path.read_text())
    node = next(itertools.islice(changes(tree), number, None))
    return node.lineno, copy.deepcopy(tree)  # type: ignore[attr-defined]


class Mutated(Loader):
    """Imports one module from a changed tree, and finds the others as always."""

    def __init__(self, path: Path, tree: ast.AST) -> None:
        self._path, self._tree = path.resolve(), tree

    def find_spec(self, name: str, where: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of the changed module; None for all others."""
        spec = PathFinder.find_spec(name, where) if name.startswith("pipeline.") else None
        if spec is None or spec.origin != str(self._path):
            return None
        spec.loader = self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Execute the changed tree."""
        exec(compile(ast.fix_missing_locations(self._tree), str(self._path), "exec"), module.__dict__)  # type: ignore[arg-type]


def survives(path: Path | None, number: int, tests: list[str]) -> bool:
    """Whether the tests pass in a fork of this process in which a mutant of the module is imported."""
    if not (child := os.fork()):
        signal.alarm(5 * SECONDS)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        if path:
            sys.meta_path.insert(0, Mutated(path, mutant(path, number)[1]))  # type: ignore[arg-type]
        options = ["-x", "-q", "-m", "not long", "-p", "no:cacheprovider", f"--timeout={SECONDS}"]
        os._exit(int(pytest.main([*options, *tests])))
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    """Print the part of the mutants that the tests find, and where the others are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=TESTS, help="one of the packages")
    parser.add_argument("--number", type=int, default=50, help="mutants drawn for each; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    options = parser.parse_args()
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in [options.only] if options.only else TESTS:
        place = Path("pipeline") / name
        drawn = [
            (path, number)
            for path in (sorted(place.rglob("*.py")) if place.is_dir() else [place])
            for number, _ in enumerate(changes(ast.parse(path.read_text())))
        ]
        if options.number and len(drawn) > options.number:
            drawn = random.Random(options.seed).sample(drawn, options.number)
        if not survives(None, 0, TESTS[name]):
            sys.exit(f"The tests of {name} fail without a mutant.")
        left = [(path, number) for path, number in drawn if survives(path, number, TESTS[name])]
        print(f"{name}: {len(drawn) - len(left)} of {len(drawn)} mutants found", flush=True)
        for path, number in left:
            line = mutant(path, number)[0]
            print(f"  {path}:{line}: {path.read_text().splitlines()[line - 1].strip()}", flush=True)


if __name__ == "__main__":
    main()
