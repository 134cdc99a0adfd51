"""A driver that is killed while it logs to MLflow and TensorBoard."""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline import load_results
from pipeline.results import Results
from tests.pausable_study import PLACE, STUDY
from tests.processes import TUNEPIPE, started, wait_for
from tests.tensorboard import shown_in_tensorboard

JOB = Path(__file__).parents[1] / "pausable_study.py"
RUN = [*TUNEPIPE, "run", str(JOB), "--workers", "0"]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path.cwd())}


@pytest.mark.long
def test_each_epoch_is_logged_once_although_the_driver_was_killed(tmp_path: Path) -> None:
    """After SIGKILL and a resume MLflow has one run for each trial, and both tools each epoch once."""
    logs = ["--log", "mlflow=runs", "--log", "tensorboard=board"]
    reported = tmp_path / "reported"
    # When something is recorded, the study waits: then that is logged, and the driver killed.
    held = {**ENVIRONMENT, PLACE: str(tmp_path), STUDY: str(tmp_path / "studies/pausable")}
    with reported.open("w") as file:
        driver = started([*RUN, *logs], cwd=tmp_path, env=held, stdout=file, stderr=file)
    try:
        wait_for(lambda: any((tmp_path / "board").glob("*/*/events.out.*")), driver, reported.read_text)
        wait_for(lambda: _logged_trials(tmp_path / "runs/mlflow.db"), driver, reported.read_text)
    finally:
        driver.kill()
        driver.wait()
    done = subprocess.run(
        [*TUNEPIPE, "resume", "pausable", *logs], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
        timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--log" not in done.stderr
    _each_epoch_once(tmp_path, load_results(tmp_path / "studies/pausable"))


def _logged_trials(database: Path) -> list[str]:
    """The trials that have a run in MLflow's database, which may be incomplete."""
    if not database.exists():
        return []
    try:
        with closing(sqlite3.connect(database)) as connection:
            return [trial for (trial,) in connection.execute("select value from tags where key = 'tunepipe.trial'")]
    except sqlite3.OperationalError:
        return []


def _each_epoch_once(folder: Path, results: Results) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'runs/mlflow.db'}")
    experiment = client.get_experiment_by_name("pausable")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (study,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    trials = {run.data.tags["tunepipe.trial"]: run for run in runs if run is not study}
    assert len(trials) == len(runs) - 1
    assert sorted(trials) == results.trials["trial_id"].tolist()
    for trial, run in trials.items():
        own = results.epochs[results.epochs["trial_id"] == trial]
        history = client.get_metric_history(run.info.run_id, "score")
        assert [(one.step, one.value) for one in history] == list(zip(own["epoch"], own["score"], strict=True))
        shown = shown_in_tensorboard(folder / "board/pausable" / trial, "score")
        assert shown == [(one.step, pytest.approx(one.value, rel=1e-6)) for one in history]
