"""A study's copies of its sources."""

import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.study.copies import Copies


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    """What a test imports is forgotten after it."""
    yield
    for name in ("copied_one", "copied_two"):
        sys.modules.pop(name, None)


def _copies(folder: Path, **sources: str) -> Copies:
    functions = {}
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
        digest = hashlib.sha256(source.encode()).hexdigest()
        functions[name] = {"function": f"{name}:f", "sha256": digest}
    return Copies(folder, functions)


def test_copies_import_each_other(tmp_path: Path) -> None:
    """A copy is found by its module's name while it is wanted, and not after."""
    copies = _copies(tmp_path, copied_one="import copied_two\nVALUE = copied_two.VALUE", copied_two="VALUE = 3")
    with copies.importable():
        assert importlib.import_module("copied_one").VALUE == 3
    assert copies not in sys.meta_path


def test_a_changed_copy_is_not_imported(tmp_path: Path) -> None:
    """Nor is it run when another copy imports it."""
    copies = _copies(tmp_path, copied_one="import copied_two", copied_two="VALUE = 3")
    (tmp_path / "copied_two.py").write_text("raise SystemExit('ran')")
    with copies.importable(), pytest.raises(ValueError, match="has changed since the study was saved: put it back"):
        importlib.import_module("copied_one")


def test_what_has_no_digest_has_no_copy(tmp_path: Path) -> None:
    """A file that no function of the job names is none of its copies, though it lies there."""
    copies = _copies(tmp_path, copied_one="")
    (tmp_path / "copied_two.py").write_text("")
    assert copies.path("copied_one") == tmp_path / "copied_one.py"
    assert copies.path("copied_two") is None
