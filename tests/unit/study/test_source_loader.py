"""Files of modules that are read once."""

import importlib.util
from pathlib import Path

from pipeline.study.source_loader import SourceTextLoader, content_of


def test_the_text_that_ran_is_kept(tmp_path: Path) -> None:
    """The content of a module is the text that ran, even if its file has changed since, and it leaves no bytecode."""
    file = tmp_path / "once.py"
    file.write_text("VALUE = 1\n")
    loader = SourceTextLoader(file)
    spec = importlib.util.spec_from_file_location("once", file, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    file.write_text("VALUE = 2\n")
    loader.exec_module(module)
    assert module.VALUE == 1
    assert content_of(vars(module)) == b"VALUE = 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["once.py"]


def test_the_content_of_another_module_is_its_file(tmp_path: Path) -> None:
    """The content of a module with another loader is that of its file, and None if it has no file."""
    file = tmp_path / "plain.py"
    file.write_text("VALUE = 3\n")
    assert content_of({"__file__": str(file)}) == b"VALUE = 3\n"
    assert content_of({"__name__": "typed"}) is None
