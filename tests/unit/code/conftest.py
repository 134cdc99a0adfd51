import sys

import pytest

from pipeline.code.snapshot import forget_copies


@pytest.fixture(autouse=True)
def _own_modules(tmp_path):
    """Unload what a test imports, and restore the import path."""
    path, modules = list(sys.path), dict(sys.modules)
    yield
    forget_copies()
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if name not in modules and str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    """Writes files below the test's folder, by their paths; returns that folder."""

    def write(files, folder="mine"):
        for path, text in files.items():
            file = tmp_path / folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path / folder

    return write
