"""Which modules of a job have been edited since this process imported them."""

import importlib
import sys
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


@pytest.mark.parametrize("content", [b"", b"\0" * 40])
def test_bytecode_that_cannot_be_read_says_nothing(path: Path, content: bytes) -> None:
    """Where Python's bytecode is damaged, no difference is reported."""
    path.write_text(_TEXT.replace("return K", "return K + 1"))
    Path(sys.modules["edited_job"].__spec__.cached).write_bytes(content)
    assert not _stale(path)
