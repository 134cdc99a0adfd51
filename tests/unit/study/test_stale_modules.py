"""Which modules of a job have been edited since this process imported them."""

import importlib
import sys
import warnings
from pathlib import Path

import pytest

from pipeline.study.sources import SourceFile
from pipeline.study.stale_modules import stale_modules

pytestmark = pytest.mark.usefixtures("own_modules")

_TEXT = "K = 1\n\n\ndef f(config):\n    return K\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module `edited_job`, which was imported."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "edited_job.py"
    file.write_text(_TEXT)
    importlib.import_module("edited_job")
    return file


def _stale(path: Path) -> bool:
    source = SourceFile("edited_job", path.name, path.read_bytes(), path)
    return stale_modules([source]) == [source]


@pytest.mark.parametrize("text", [_TEXT.replace("return K", "return K + 1"), _TEXT.replace("K = 1", "K = 100")])
def test_an_edited_module_is_stale_until_it_is_imported_again(path: Path, text: str) -> None:
    """A module whose functions or constants were edited is stale, and no longer after a reload."""
    assert not _stale(path)
    path.write_text(text)
    assert _stale(path)
    importlib.reload(sys.modules["edited_job"])
    assert not _stale(path)


def test_comments_and_layout_make_no_module_stale(path: Path) -> None:
    """A module whose text has other comments and lines is as it was imported."""
    path.write_text(f"# A comment.\n\n{_TEXT}")
    assert not _stale(path)


@pytest.mark.parametrize("members", ["16, 8, 0", "'adam', 'sgd', 'lion', 'nadam', 'ftrl', 'adamw', 'adagrad'"])
def test_sets_are_compared_without_their_order(path: Path, members: str) -> None:
    """Constants are compared as sets, which bytecode keeps in another order, and another member counts."""
    text = f"def f(x):\n    return x in {{{members}}}\n"
    path.write_text(text)
    importlib.reload(sys.modules["edited_job"])
    importlib.reload(sys.modules["edited_job"])
    path.write_text(f"# A comment.\n{text}")
    assert not _stale(path)
    path.write_text(text.replace(", ", ", 'other', ", 1))
    assert _stale(path)


_DOCUMENTED = "'Module.'\n\n\nclass A:\n    'Class.'\n\n    def f(self):\n        'Method.'\n        return 'text'\n"


@pytest.mark.parametrize("old", ["Module.", "Class.", "Method."])
def test_an_edited_docstring_makes_no_module_stale(path: Path, old: str) -> None:
    """A module whose docstrings were edited is as it was imported; any other text in it counts."""
    path.write_text(_DOCUMENTED)
    importlib.reload(sys.modules["edited_job"])
    path.write_text(_DOCUMENTED.replace(old, "Something else."))
    assert not _stale(path)
    path.write_text(_DOCUMENTED.replace("'text'", "'other text'"))
    assert _stale(path)


@pytest.mark.parametrize("text", ["x = " + "-" * 5_000 + "1\n", "x = " + "+".join(["a"] * 20_000) + "\n"])
def test_a_text_that_python_cannot_compile_says_nothing(path: Path, text: str) -> None:
    """Where the edited text is too deeply nested for Python, no difference is reported."""
    path.write_text(text)
    assert not _stale(path)


def test_warnings_about_the_edited_text_are_not_shown(path: Path) -> None:
    """Python's warnings about a text appear where it is imported, not where it is compared."""
    path.write_text("x = 1 is 1\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _stale(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 40])
def test_bytecode_that_cannot_be_read_says_nothing(path: Path, content: bytes) -> None:
    """Where Python's bytecode is damaged, no difference is reported."""
    path.write_text(_TEXT.replace("return K", "return K + 1"))
    Path(sys.modules["edited_job"].__spec__.cached).write_bytes(content)
    assert not _stale(path)
