"""The imports of a source."""

import pytest

from pipeline.study.imports import RelativeImport, exported_names, imports_of, relative_imports


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a", {"a"}),
        ("import a.b as c, d", {"a.b", "d"}),
        ("from a import b", {"a", "a.b"}),
        ("from a import *", {"a", "a.*"}),
        ("def f():\n  def g():\n    from a import b\n", {"a", "a.b"}),
        ("class A:\n  import a", {"a"}),
        ("try:\n  import a\nexcept ImportError:\n  import b", {"a", "b"}),
        ("f = lambda: __import__('a.b')", {"a.b"}),
        ("import importlib\nm = importlib.import_module('a.b')", {"importlib", "a.b"}),
        ("from importlib import import_module\nimport_module(name='a')", {"importlib", "importlib.import_module", "a"}),
        ("from . import a", {"pack", "pack.a"}),
        ("from .a import b", {"pack.a", "pack.a.b"}),
        ("from .. import a", set()),
        ("import_module('.a', __package__)", {"pack.a"}),
        ("import_module('.a', package='other')", {"other.a"}),
        ("import_module('.a', __name__)", {"pack.this.a"}),
        ("this is not Python", set()),
        ("x = '\\0'\ny = \0", set()),
    ],
)
def test_imports_are_found_at_any_place(text: str, names: set[str]) -> None:
    """Imports are found at module level and in functions, absolute and relative, as statements or literal calls."""
    assert set(imports_of(text.encode(), "pack.this").names) == names


def test_a_package_s_own_relative_imports() -> None:
    """Relative imports of a package start from the package itself."""
    assert set(imports_of(b"from .a import b", "pack", package=True).names) == {"pack.a", "pack.a.b"}


@pytest.mark.parametrize(
    "call",
    [
        "importlib.import_module(name)",
        "import_module(f'nets.{kind}')",
        "__import__(name)",
        "import_module('.a', where())",
        "importlib.util.spec_from_file_location('a', path)",
        "runpy.run_path(path)",
    ],
)
def test_names_known_only_at_run_time_are_reported_by_their_line(call: str) -> None:
    """An import whose name is only known at run time is reported by its line."""
    assert imports_of(f"x = 1\ny = {call}\n".encode(), "job").hidden == (2,)


def test_exports_of_a_package_are_read_from_its_source() -> None:
    """The exports of a package are those of its `__all__` if that is a list of literals."""
    assert exported_names(b"__all__ = ['a', 'b']\n__all__ = ('c',)") == ("a", "b", "c")
    assert exported_names(b"__all__ = [name for name in names]") == ()
    assert exported_names(b"def") == ()


def test_relative_imports_are_named_with_the_statement_that_replaces_them() -> None:
    """Relative imports outside of `try` are returned with a statement that replaces them, if there is one."""
    text = b"from . import a as b\ndef f():\n    from ..c import d\ntry:\n    from .e import f\nexcept E:\n    pass"
    assert relative_imports(text) == (
        RelativeImport(1, 1, "from . import a as b", "import a as b"),
        RelativeImport(3, 2, "from ..c import d", None),
    )
    assert relative_imports(b"from .") == relative_imports(b"import a") == ()


def test_a_text_that_is_nested_too_deeply_for_python_has_no_imports() -> None:
    """A text that Python's parser refuses, for lack of memory or of depth, imports and exports nothing."""
    for text in (b"x = " + b"-" * 100_000 + b"1", b"x = a" + b".b" * 50_000, b"x = " + b"(" * 1000):
        assert imports_of(text, "job").names == relative_imports(text) == exported_names(text) == ()
