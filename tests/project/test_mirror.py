"""Each module of the product is tested by the file with its name in the same folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"


def has_behaviour(source: str) -> bool:
    """Whether a module has a public function, or a public class with a method with behaviour."""
    for each in ast.parse(source).body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and not each.name.startswith("_"):
            return True
        if isinstance(each, ast.ClassDef) and not each.name.startswith("_") and any(_acts(part) for part in each.body):
            return True
    return False


def _acts(part: ast.stmt) -> bool:
    """Whether a part of a class is a method, other than one that is only declared."""
    if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    if any(ast.unparse(each) == "abstractmethod" for each in part.decorator_list):
        return False
    body = part.body[1:] if ast.get_docstring(part) is not None else part.body
    return not all(
        isinstance(each, ast.Pass)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        or (isinstance(each, ast.Raise) and each.exc is not None and "NotImplementedError" in ast.unparse(each.exc))
        for each in body
    )


def modules() -> Iterator[Path]:
    """The modules of the product, from its folder."""
    product = ROOT / "pipeline"
    return (path.relative_to(product) for path in sorted(product.rglob("*.py")))


def namesake(module: Path) -> Path:
    """The path of a module's tests within the unit tests; that of `__main__` is `test_main`."""
    return module.with_name(f"test_{module.stem.strip('_')}.py")


def has_tests(file: Path) -> bool:
    """Whether a file has a test; an empty one has none."""
    return file.exists() and "\ndef test_" in file.read_text()


@pytest.mark.parametrize(
    ("source", "has"),
    [
        ('"""Constants."""\n\nA = 1\n\n\ndef _a():\n    return A\n', False),
        ('def a():\n    """Text."""\n', True),
        ("class A(Exception):\n    pass\n", False),
        ("class A:\n    x: int\n    y: str = ''\n", False),
        ('class A(Protocol):\n    def a(self) -> int:\n        """Text."""\n        ...\n', False),
        ("class A(ABC):\n    @abstractmethod\n    def a(self):\n        return 1\n", False),
        ("class A:\n    def a(self):\n        raise NotImplementedError\n", False),
        ("class A:\n    @property\n    def a(self):\n        return 1\n", True),
        ("class _A:\n    def a(self):\n        return 1\n", False),
        ("class A:\n    def __init__(self):\n        self.a = 1\n", True),
    ],
)
def test_functions_and_methods_count_as_behaviour(source: str, has: bool) -> None:
    """Constants, records and interfaces are not behaviour; functions and methods with a body are."""
    assert has_behaviour(source) is has


def test_each_module_with_behaviour_is_tested_by_its_namesake() -> None:
    """The tests of `pipeline/FOLDER/MODULE.py` are in `tests/unit/FOLDER/test_MODULE.py`."""
    missing = [
        str(module)
        for module in modules()
        if has_behaviour((ROOT / "pipeline" / module).read_text()) and not has_tests(UNIT / namesake(module))
    ]
    assert missing == []


def test_each_file_of_unit_tests_is_named_after_a_module() -> None:
    """Each file of unit tests has the name of a module of the product or of `tune_jobs/`."""
    known = {UNIT / namesake(module) for module in modules()}
    known |= {UNIT / namesake(path.relative_to(ROOT)) for path in (ROOT / "tune_jobs").rglob("*.py")}
    assert [str(path.relative_to(UNIT)) for path in sorted(UNIT.rglob("test_*.py")) if path not in known] == []
