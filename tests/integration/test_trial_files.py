"""Files of functions on Ray, and on an object store."""

import subprocess
import sys

import pytest

from pipeline import run
from pipeline.results.views.trial import files_of
from pipeline.storage import Store
from tests.integration.test_s3 import s3, storage
from tune_jobs import find

pytestmark = pytest.mark.long

__all__ = ["s3", "storage"]

TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]
FUNCTION = """
from pathlib import Path

from pipeline import Budget, Grid, Objective, TuneJob, trial


def writing(config):
    for epoch in range(trial().epochs):
        with Path("log.txt").open("a") as file:
            file.write(f"{trial().id} {epoch}\\n")
        yield {"score": config["x"] + epoch}


JOB = TuneJob(
    name="writing",
    function=writing,
    space={"x": Grid([0.0, 1.0, 2.0, 3.0])},
    objectives=[Objective("score", "max")],
    scheduler="fifo",
    searcher="grid",
    budget=Budget(trials=4, epochs=3),
    resources={"workers": 2},
)
"""


@pytest.fixture
def start(tmp_path):
    """The folder in which commands are called, with two jobs."""
    folder = tmp_path / "start"
    folder.mkdir()
    (folder / "writing.py").write_text(FUNCTION)
    return folder


def tunepipe(*arguments, cwd):
    """Run the command in a folder successfully; return its output."""
    done = subprocess.run([*TUNEPIPE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def left(folder):
    """The files in a folder except for the jobs and Python's caches."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".py" and path.name != "__pycache__")


def test_workers_keep_to_the_trials_folders(start, ray_cluster, monkeypatch):
    """A function's relative paths are in each trial's own folder on two workers of a cluster."""
    monkeypatch.chdir(start)
    run(find("writing.py"), address=ray_cluster)
    store = Store(start / "studies/writing")
    for number in ("0000", "0001", "0002", "0003"):
        assert [file["path"] for file in files_of(store, number).kept] == ["log.txt"]
        assert store.read_text(f"files/{number}/log.txt") == "".join(f"{number} {epoch}\n" for epoch in range(3))
    assert left(start) == ["studies"]


def test_files_on_s3_are_uploaded_and_fetched(start, storage, tmp_path):
    """On two workers and after a resume, each trial's files are whole in the bucket and none is left locally."""
    tunepipe("run", "writing.py", "--storage", storage, cwd=start)
    store = Store(storage).folder("writing")
    assert store.read_text("files/0002/log.txt") == "0002 0\n0002 1\n0002 2\n"
    tunepipe("resume", "writing", "--storage", storage, "--workers", "0", "--epochs", "4", cwd=start)
    assert store.read_text("files/0003/log.txt") == "0003 0\n0003 1\n0003 2\n0003 3\n"
    assert left(start) == []
