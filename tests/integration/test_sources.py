"""A study whose original folder is missing: its copies are enough, in other processes and on Ray's workers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def job(name: str) -> str:
    """The end of a job file: a study of three trials of its function `descend`."""
    return f"""

JOB = TuneJob(
    name="{name}",
    function=descend,
    space={{"rate": Uniform(0.1, 0.9)}},
    objectives=[Objective("distance", "min")],
    scheduler=FIFO(),
    budget=Budget(trials=3, epochs=2),
)
"""


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files by their paths within a folder; missing folders are created."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


FILES = {
    "the_job.py": """
from pathlib import Path

from pipeline import FIFO, Budget, Objective, TuneJob, Uniform

import top_level


def descend(config):
    from inner import pace
    from nets.deep import sizes

    plugin = __import__("plugin_" + "one")
    assert Path(__file__).with_name("words.txt").read_text() == "word"
    for _ in range(top_level.EPOCHS):
        yield {"distance": abs(pace(config["rate"]) + sizes.SIZE + plugin.SHIFT)}
"""
    + job("moved"),
    "top_level.py": "EPOCHS = 9",
    "inner.py": "def pace(rate):\n    from further import factor\n    return rate * factor()",
    "further.py": "def factor():\n    return 3.0",
    "nets/__init__.py": "",
    "nets/deep/__init__.py": "from . import sizes",
    "nets/deep/sizes.py": "from ..base import BASE\nSIZE = BASE + 1",
    "nets/base.py": "import os\nBASE = len(open(os.path.join(os.path.dirname(__file__), 'deep', 'four.txt')).read())",
    "nets/deep/four.txt": "four",
    "words.txt": "word",
    "unused.txt": "",
    "plugin_one.py": "SHIFT = 0.5",
    "unused.py": "1 / 0",
}


def tunepipe(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in its own process."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli.app", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished study of a worker, whose job's folder has been deleted since, and the output of `run`."""
    folder = tmp_path_factory.mktemp("moved")
    write(folder / "mine", FILES)
    printed = tunepipe("run", "mine/the_job.py", "--workers", "1", folder=folder)
    assert printed.returncode == 0, printed.stderr
    shutil.rmtree(folder / "mine")
    return folder, printed.stderr


def test_a_study_continues_and_is_trained_again_without_its_folder(moved: tuple[Path, str]) -> None:
    """`resume` with a worker and more trials, and `rerun`, need only the copies of the sources."""
    folder, printed = moved
    source = folder / "studies/moved/source"
    copied = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    assert copied == sorted(FILES)
    assert "source: the_job.py, top_level.py, further.py, inner.py" in printed
    printed = tunepipe("resume", "moved", "--trials", "5", "--workers", "1", "--json", folder=folder)
    assert printed.returncode == 0, printed.stderr
    reported: dict[str, Any] = json.loads(printed.stdout)
    assert len(reported["trials"]) == 5
    assert {trial["state"] for trial in reported["trials"]} == {"completed"}
    again = tunepipe("rerun", "moved", "4", folder=folder)
    assert again.returncode == 0, again.stderr
    assert "equal to the last digit" in again.stdout
