"""Commands from another terminal to a running study: real processes, in one process and on Ray."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline import load_results
from pipeline.results.analysis.queries import study_decisions
from tests.command import tunepipe
from tests.processes import TUNEPIPE, started, wait_for

JOB = """
import os
import time
from pathlib import Path

from pipeline import Budget, Objective, TuneJob, Uniform

PLACE = Path(os.environ["TUNEPIPE_TESTS_PLACE"])


def climb(config):
    for step in range(1, 5):
        (PLACE / "begun").touch()
        # A trial reports now and then, so that a driver in the same process finds commands.
        end = time.monotonic() + 1
        while not (PLACE / "go").exists() and time.monotonic() < end:
            time.sleep(0.02)
        yield {"score": config["x"] * step}


JOB = TuneJob(
    name="held", function=climb, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")], scheduler="fifo",
    budget=Budget(trials=60, epochs=4), start_with=[{"x": 0.5}, {"x": 0.25}],
)
"""


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("workers", ["0", pytest.param("1", marks=pytest.mark.long)])
def test_a_running_study_is_controlled_from_another_terminal(workers: str, tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text(JOB)
    driver = started(
        [*TUNEPIPE, "run", "held.py", "--workers", workers], cwd=tmp_path, text=True,
        env={**os.environ, "TUNEPIPE_TESTS_PLACE": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

    def said(command: str, *words: str, code: int = 0) -> str:
        printed = tunepipe(command, "held", *words, "--storage", str(tmp_path / "studies"))
        assert printed.code == code, printed.errors
        return printed.output or printed.errors

    try:
        wait_for((tmp_path / "begun").exists, driver)
        assert "start_with: must" in said("budget", "--trials", "1", code=2)
        assert "trials 20 instead of 60" in said("budget", "--trials", "20", "--reason", "time is short")
        assert "Trial 0000" in said("stop", "--trial", "0", "--reason", "too slow")
        (tmp_path / "go").touch()
        output, _ = driver.communicate(timeout=200)
    finally:
        driver.kill()
        driver.communicate()
    assert driver.returncode == 0, output
    results = load_results(tmp_path / "studies/held")
    assert len(results.trials) == results.job["budget"]["trials"] == 20
    about_study = study_decisions(results)
    assert about_study["kind"].to_pylist() == ["budget"]
    assert "(trials 20 instead of 60): time is short (command " in about_study["reason"][0].as_py()
    for command in ("results", "explain", "report"):
        said(command)
    joined = "SELECT count(*) AS n FROM decisions JOIN trials USING (trial_id) WHERE kind IN ('start', 'budget')"
    assert said("sql", joined, "--format", "csv").split() == ['"n"', "20"]
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()
    assert set(results.trials["state"]) <= {"completed", "stopped"}
