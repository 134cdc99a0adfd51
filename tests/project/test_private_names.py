"""Private names are used only in their modules: ruff finds attributes and modules, this module imports and strings."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

_PRIVATE = re.compile(r"_(?!_)")
_DOTTED = re.compile(r"\b(?:pipeline|tune_jobs)(?:\.\w+)*\._[^\W_]\w*")
TESTS = Path(__file__).parents[1]
PRODUCT = TESTS.parent / "pipeline"
INTERNALS = tuple(
    PRODUCT / home for home in ("adapters/keras_tuner.py", "execution/ray/internals.py", "training/internals.py")
)


def names_in(source: str) -> Iterator[str]:
    """Private names of the product that a module imports, or writes in a string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _DOTTED.findall(node.value)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("pipeline", "tune_jobs"):
            yield from (alias.name for alias in node.names if _PRIVATE.match(alias.name))


def read_by_a_string(source: str) -> list[str]:
    """Private attributes that a module reads or sets by `getattr` and its relatives."""
    return re.findall(r"\b(?:get|has|set|del)attr\([^()]*?, [\"'](_[^_]\w*)[\"']", source)


def test_no_test_uses_a_private_name() -> None:
    assert list(names_in("from pipeline.code import _line\nreplace('pipeline.code.modules._line', None)")) != []
    files = [path for path in TESTS.rglob("*.py") if path != Path(__file__)]
    used = {str(path.relative_to(TESTS)): list(names_in(path.read_text())) for path in files}
    assert {path: names for path, names in used.items() if names} == {}


def test_only_the_internals_read_private_attributes_by_a_string() -> None:
    assert read_by_a_string("getattr(dataset, '_deterministic', None)") == ["_deterministic"]
    files = [path for path in PRODUCT.rglob("*.py") if path not in INTERNALS]
    used = {str(path.relative_to(PRODUCT)): read_by_a_string(path.read_text()) for path in files}
    assert {path: names for path, names in used.items() if names} == {}


def test_ruff_bans_what_the_internals_import_everywhere_else() -> None:
    project = tomllib.loads((PRODUCT.parent / "pyproject.toml").read_text())
    banned = tuple(project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
    private = re.compile(r"^\s*(?:from|import) ((?:ray|keras|tensorflow)(?:\.\w+)+)", re.MULTILINE)
    used = {name for path in INTERNALS for name in private.findall(path.read_text())}
    assert {"ray.train._internal", "keras.src.utils"} <= used
    # Public, and imported by name there.
    used -= {"ray.tune"}
    assert [name for name in sorted(used) if not f"{name}.".startswith(tuple(f"{each}." for each in banned))] == []
