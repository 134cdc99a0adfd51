"""Modules whose text is generated."""

import sys
from pathlib import Path

import pytest

from pipeline.adapters.generated_module import generated_module
from pipeline.code import content_of


def test_a_generated_module_is_imported_from_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generated module runs, is importable by its name and has a text to copy, and no file is written."""
    monkeypatch.delitem(sys.modules, "generated_job", raising=False)
    module = generated_module("generated_job", tmp_path, "X = 41\n\n\ndef function():\n    return X + 1\n")
    assert module.function() == 42
    assert sys.modules.pop("generated_job") is module
    assert module.__file__ == str(tmp_path / "generated_job.py")
    text = content_of(vars(module))
    assert text is not None
    assert b"X + 1" in text
    assert list(tmp_path.iterdir()) == []
