"""Private names are used only in their modules: ruff finds attributes and modules, this module imports and strings."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

_PRIVATE = re.compile(r"_(?!_)")
_DOTTED = re.compile(r"\b(?:pipeline|tune_jobs)(?:\.\w+)*\._[^\W_]\w*")
_IMPORT = re.compile(r"\bfrom (?:pipeline|tune_jobs)[.\w]* import \(?([\w, ]+)")
TESTS = Path(__file__).parents[1]
PRODUCT = TESTS.parent / "pipeline"
INTERNALS = tuple(
    PRODUCT / home for home in ("adapters/keras_tuner.py", "execution/ray/internals.py", "training/internals.py")
)


def private_names(source: str) -> Iterator[str]:
    """Private names of the product that a test imports, replaces by name, or writes in a string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _DOTTED.findall(node.value)
            for statement in _IMPORT.findall(node.value):
                yield from (name for name in re.findall(r"\w+", statement) if _PRIVATE.match(name))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("pipeline", "tune_jobs"):
            yield from (alias.name for alias in node.names if _PRIVATE.match(alias.name))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            yield from (text for text in texts[:1] if _PRIVATE.match(text))


def test_no_test_uses_a_private_name() -> None:
    """No test imports, replaces or names in a string a private name of a module."""
    files = [path for path in TESTS.rglob("*.py") if path != Path(__file__)]
    used = {str(path.relative_to(TESTS)): list(private_names(path.read_text())) for path in files}
    assert {path: names for path, names in used.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from pipeline.code import _line",
        "monkeypatch.setattr(module, '_load', None)",
        "monkeypatch.setattr('pipeline.code.modules._line', None)",
        "mock.patch('pipeline.code.modules._line.value')",
        "run('import os; from pipeline.code import is_file, _line')",
    ],
)
def test_a_private_name_is_found(source: str) -> None:
    """Each form of using a private name is found."""
    assert len(list(private_names(source))) == 1


def attributes_by_string(source: str) -> list[str]:
    """Private attributes that a module reads or sets by a string."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    called = [
        node.args[1].value
        for node in calls
        if isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr", "setattr", "delattr")
        and len(node.args) > 1
        and isinstance(node.args[1], ast.Constant)
    ]
    return [name for name in called if isinstance(name, str) and _PRIVATE.match(name)]


def test_only_the_internals_read_private_attributes_by_a_string() -> None:
    """Only the modules for internals use `getattr(x, "_name")` and its relatives, which ruff does not find."""
    files = [path for path in PRODUCT.rglob("*.py") if not any(path.is_relative_to(home) for home in INTERNALS)]
    used = {str(path.relative_to(PRODUCT)): attributes_by_string(path.read_text()) for path in files}
    assert {path: names for path, names in used.items() if names} == {}
    assert attributes_by_string("getattr(dataset, '_deterministic', None)") == ["_deterministic"]


def private_modules(source: str) -> set[str]:
    """The private modules of Ray, Keras and TensorFlow that a module imports or names in a string.

    What is public is in their top modules.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return {name for name in found if re.fullmatch(r"(ray|keras|tensorflow)(\.\w+)+", name)}


def test_ruff_bans_what_the_internals_import_everywhere_else() -> None:
    """Each private module of a library that the modules for internals import is one that ruff bans elsewhere."""
    project = tomllib.loads((PRODUCT.parent / "pyproject.toml").read_text())
    banned = tuple(project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])
    files = INTERNALS
    used = {name for path in files for name in private_modules(path.read_text())}
    assert {"ray.train._internal", "keras.src.utils", "tensorflow.python.eager"} <= used
    # Public, and imported by name there.
    used -= {"ray.tune", "ray.tune.ExperimentAnalysis._fetch_trial_dataframes"}
    assert [name for name in sorted(used) if not f"{name}.".startswith(tuple(f"{each}." for each in banned))] == []
