import sys

import pytest

from pipeline.code.snapshot import as_before


@pytest.fixture(autouse=True)
def _own_modules(tmp_path):
    before = dict(sys.modules)
    with as_before():
        yield
    for name, module in list(sys.modules.items()):
        if name not in before and str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path):
    """Writes files below the test's folder, by their paths; returns that folder."""

    def write(files, folder="mine"):
        for name, text in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / folder

    return write
