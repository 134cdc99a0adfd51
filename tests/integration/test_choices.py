"""A study over lists that is killed and resumed: the values from the job to the tables and back."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from pipeline import load_results
from tests.hostile.command import tunepipe
from tests.processes import TUNEPIPE

pytestmark = pytest.mark.long

JOB = """
import os, signal
from pathlib import Path
from pipeline import Budget, Choice, Objective, Switch, TuneJob


def stack(config):
    layers = config["layers"]
    assert layers is None or type(layers) is list, layers
    kept = list(layers or [])
    if layers is not None:
        layers.append("changed by the function")
    for epoch in range(1, 4):
        if epoch == 2 and config["o"] == {"name": "b", "rates": [0.5, 1]} and not MARKER.exists():
            MARKER.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        yield {"score": sum(kept) * epoch}

MARKER = Path("MARKED")

JOB = TuneJob(
    name="lists",
    function=stack,
    space={
        "layers": Choice([[64], (64, 32), None]),
        "o": Choice([{"name": "a"}, {"name": "b", "rates": [0.5, 1]}]),
        "fixed": [1, {"deep": None}],
        "s": Switch({"plain": {}, "lists": {"inner": Choice([[1], [1.0]])}}),
    },
    objectives=[Objective("score", "max")],
    scheduler="fifo",
    searcher="grid",
    budget=Budget(trials=100, epochs=3),
)
"""


@pytest.mark.usefixtures("no_pictures")
def test_a_killed_study_of_lists_continues(tmp_path: Path) -> None:
    """After SIGKILL in a trial, a resumed study trains each of its 18 configs once with its own values."""
    job = tmp_path / "job.py"
    job.write_text(JOB.replace("MARKED", str(tmp_path / "killed")))
    command = ["run", str(job), "--workers", "0", "--storage", str(tmp_path)]
    first = subprocess.run([*TUNEPIPE, *command], capture_output=True, text=True, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr
    resumed = tunepipe(*command, "--resume")
    assert resumed.code == 0, resumed.errors
    results = load_results(tmp_path / "lists")
    assert set(results.trials["state"]) == {"completed"}
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()
    assert len(results.epochs) == 3 * 18
    assert results.best is not None
    assert (results.best.value, results.best.config["layers"]) == (288.0, [64, 32])
    shown = tunepipe("results", "lists", "--json", "--storage", str(tmp_path))
    configs = {json.dumps(trial["config"], sort_keys=True) for trial in json.loads(shown.output)["trials"]}
    assert len(configs) == 18
    assert all('"fixed": [1, {"deep": null}]' in config for config in configs)
    again = tunepipe(
        *command, "--name", "next", "--start-from", "lists", "--set", "start_from.top=2", "--search", "random",
        "--trials", "2",
    )  # fmt: skip
    assert again.code == 0, again.errors
    assert {tuple(start["layers"]) for start in load_results(tmp_path / "next").job["start_with"]} == {(64, 32)}
    rerun = tunepipe("rerun", "lists", "0000", "--storage", str(tmp_path))
    assert rerun.code == 0, rerun.errors
