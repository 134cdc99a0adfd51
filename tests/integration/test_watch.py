"""`tunepipe results --watch` while a study runs in another process."""

import os
import pty
import re
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]

# The second trial waits at a pipe until the test writes into it: until then the study runs.
JOB = """
from pathlib import Path
from pipeline import Budget, Objective, TuneJob, Uniform

def climb(config):
    yield {"score": config["x"]}
    if config["x"] > 0.5:
        Path("ready").write_text("waiting")
        Path("gate").read_text()
    yield {"score": 2 * config["x"]}

JOB = TuneJob(
    name="climbing",
    function=climb,
    space={"x": Uniform(0.0, 1.0)},
    objectives=[Objective("score", "max")],
    scheduler="fifo",
    start_with=[{"x": 0.25}, {"x": 0.75}],
    budget=Budget(trials=2, epochs=2),
    resources={"workers": 1},
)
"""


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A study whose first trial has ended and whose second waits for the test."""
    job = JOB
    for name in ("ready", "gate"):
        os.mkfifo(tmp_path / name)
        job = job.replace(f'"{name}"', repr(str(tmp_path / name)))
    (tmp_path / "job.py").write_text(job)
    with (
        (tmp_path / "printed").open("w") as printed,
        subprocess.Popen([*TUNEPIPE, "run", "job.py"], cwd=tmp_path, stdout=printed, stderr=printed) as driver,
    ):
        assert (tmp_path / "ready").read_text() == "waiting"
        yield driver
        driver.terminate()


@pytest.mark.long
def test_a_running_study_is_redrawn_until_it_ends(at_work: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """On a terminal the board shows the first trial while the second runs, and both after the study's end."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    with subprocess.Popen(
        [*TUNEPIPE, "results", "climbing", "--watch"], cwd=tmp_path, stdout=theirs, stderr=theirs, env=environment
    ) as watching:
        os.close(theirs)
        seen = ""
        while not re.search(r"climbing  running, .*\b1 completed", plain(seen)):
            seen += os.read(ours, 65536).decode()
        assert re.search(r"^0000 +0\.5 ", plain(seen), re.MULTILINE)
        assert "finished" not in seen

        (tmp_path / "gate").write_text("open")
        rest = "".join(pieces(ours))
    at_work.wait()

    assert watching.returncode == 0
    assert at_work.returncode == 0
    last = plain(rest).rpartition("climbing  finished, 2 completed; 4 epochs")[2]
    assert re.findall(r"^(000\d) +([\d.]+) ", last, re.MULTILINE) == [("0001", "1.5"), ("0000", "0.5")]


def plain(shown: str) -> str:
    """The text written to a terminal, without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "")


def pieces(terminal: int) -> Iterator[str]:
    """The written pieces until the other side has closed, at which a terminal raises an error."""
    while True:
        try:
            yield os.read(terminal, 65536).decode()
        except OSError:
            return
