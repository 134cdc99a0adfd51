"""The arguments of the script that runs a study."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.execution.driver.start_notes import other_arguments

SCRIPT = """
import argparse

from pipeline import Budget, Objective, TuneJob, Uniform, run


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--trials", type=int, default=1)
    arguments = parser.parse_args()
    scale = arguments.scale

    def scaled(config):
        yield {"score": scale * config["x"]}

    job = TuneJob(
        name="scaled",
        function=scaled,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", "max")],
        budget=Budget(trials=arguments.trials, epochs=1),
        seed=1,
    )
    run(job, workers=0, storage="studies", resume=True)


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("before", "now", "reported"),
    [
        ([], None, None),
        (["--width", "3"], None, None),
        (["--width", "3"], ["--width", "3"], None),
        (["--width", "3"], ["--width", "a b"], "the arguments `--width 'a b'`, and had the arguments `--width 3` in"),
        ([], ["--width", "3"], "the arguments `--width 3`, and had no arguments in"),
    ],
)
def test_other_arguments_are_reported(before: list[str], now: list[str] | None, reported: str | None) -> None:
    """Arguments of the script are reported with those of the last session if they differ."""
    sources = {"roots": [], "files": {}, "arguments": before}
    found = other_arguments({"sources": sources}, now)
    assert found is None if reported is None else found is not None and reported in found


def test_arguments_that_are_not_recorded_are_not_compared() -> None:
    """A study in which no script has recorded its arguments says nothing about them."""
    assert other_arguments({"sources": {"roots": [], "files": {}}}, ["--width", "3"]) is None


def test_a_script_that_resumes_with_other_arguments_prints_both(tmp_path: Path) -> None:
    """A script that resumes with other arguments prints both, and is refused if a function within it read them."""
    (tmp_path / "script.py").write_text(SCRIPT)

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "script.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=False, timeout=120, capture_output=True, text=True)

    assert "arguments" not in start("--scale", "2").stdout
    found = start("--scale", "2", "--trials", "2").stdout
    assert "The script has the arguments `--scale 2 --trials 2`, and had the arguments `--scale 2` in the last" in found
    refused = start("--scale", "3", "--trials", "3")
    assert refused.returncode != 0
    assert "StudyChanged" in refused.stderr
