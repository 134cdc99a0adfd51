"""Programs as others write them, each in a separate folder."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """A function that returns the path of a copy of a program; its modules are forgotten at the end."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield lambda name: str(shutil.copy(PROGRAMS / name, tmp_path / name))
    for name in set(sys.modules) - before:
        if name.startswith(("kt_", "rt_", "op_")):
            del sys.modules[name]
