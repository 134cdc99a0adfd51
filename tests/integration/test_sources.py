"""A study whose original folder is missing: its copies are enough, in another process and on a worker of Ray."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.command import rows_of

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


JOB = TuneJob(
    name="moved",
    function=descend,
    space={"rate": Uniform(0.1, 0.9)},
    objectives=[Objective("distance", "min")],
    scheduler=FIFO(),
    budget=Budget(trials=3, epochs=2),
)
""",
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


def _tunepipe(*words: str, folder: Path) -> tuple[str, str]:
    """Run the command in its own process; returns what it prints."""
    command = [sys.executable, "-m", "pipeline.cli.app", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_study_continues_on_a_worker_without_its_folder(tmp_path: Path) -> None:
    for name, text in FILES.items():
        path = tmp_path / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _, noted = _tunepipe("run", "mine/the_job.py", "--workers", "0", folder=tmp_path)
    shutil.rmtree(tmp_path / "mine")
    source = tmp_path / "studies/moved/source"
    copied = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    assert copied == sorted(FILES)
    assert "source/: the_job.py, top_level.py, further.py, inner.py" in noted
    printed, _ = _tunepipe("resume", "moved", "--trials", "5", "--workers", "1", "--json", folder=tmp_path)
    assert [trial["state"] for trial in rows_of(printed, "trials")] == ["completed"] * 5
