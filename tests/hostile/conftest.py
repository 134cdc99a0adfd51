"""Fixtures of the hostile tests: the command in this process, and a small study to be damaged."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import tunepipe

JOB = """
from pipeline import ASHA, Budget, Choice, Objective, TuneJob, Uniform


def descend(config):
    place = 4.0
    for _ in range(4):
        place -= config["rate"] * place
        yield {"distance": abs(place)}


JOB = TuneJob(
    name="small",
    description="A function of one number",
    function=descend,
    space={"rate": Uniform(0.1, 0.9), "kind": Choice(["plain", "other"])},
    objectives=[Objective("distance", "min")],
    scheduler=ASHA(grace_period=2, reduction_factor=2),
    budget=Budget(trials=4, epochs=4),
)
"""


@pytest.fixture(autouse=True)
def _nothing_stays_loaded() -> Iterator[None]:
    """Unload modules and remove paths that a job file or a study added."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in [name for name in sys.modules if name not in modules and name.startswith("hostile_")]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def job_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job that trains a plain function."""
    path = tmp_path_factory.mktemp("job") / "hostile_job.py"
    path.write_text(JOB)
    return path


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory, job_file: Path) -> Path:
    """A storage with one study that has ended, `small`, which no test changes."""
    storage = tmp_path_factory.mktemp("ended")
    printed = tunepipe("run", str(job_file), "--workers", "0", "--storage", str(storage))
    assert printed.code == 0, printed.errors
    # What runs in this process prints to it, so the log is written here.
    logs = storage / "small" / "logs"
    logs.mkdir()
    (logs / "0000.log").write_text("epoch 1\n")
    return storage


@pytest.fixture
def storage(ended: Path, tmp_path: Path) -> Path:
    """A copy of that storage, which a test may damage."""
    return Path(shutil.copytree(ended, tmp_path / "studies"))


@pytest.fixture(scope="session")
def fuzz_size() -> int:
    """The factor for the number of random examples of a fuzzer: 1 in `make test`, more in `make test-all`."""
    return int(os.environ.get("TUNEPIPE_FUZZ", "1"))
