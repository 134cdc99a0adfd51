"""A module whose text is made here: a job's functions in a separate file, which a study can copy and load again."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from pipeline.code import SourceText


def generated_module(name: str, folder: Path, text: str) -> ModuleType:
    """A module from its text, as if it were a file of a folder. Nothing is written there."""
    loader = SourceText(folder / f"{name}.py", text.encode(), of_study=False)
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py", loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module
