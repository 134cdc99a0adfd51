"""Job files that a test writes, and the modules that it loads."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.study.copies import forget_copies

_JOB = """
from pipeline.study import Objective, TuneJob

def build(config):
    return {answer}

JOB = TuneJob(name="a", model=build, data="mnist", space={{}}, objectives=Objective("v", "max"))
"""


@pytest.fixture
def own_modules() -> Iterator[None]:
    """Unload the modules that a test loads, and restore the import path."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    forget_copies()
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a job file whose model returns a number, so that versions can be distinguished."""

    def write(answer: int, name: str = "a_job.py") -> Path:
        path = tmp_path / name
        path.write_text(_JOB.format(answer=answer))
        return path

    return write
