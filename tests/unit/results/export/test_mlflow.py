"""A study in MLflow, read back by MLflow."""

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy  # noqa: F401 - sets the level of its logger when it is first imported
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pipeline.errors import StorageError, UsageError
from pipeline.results import Results
from pipeline.results.export.mlflow import write_mlflow
from tests.unit.results.studies import with_tables


def runs(folder: Path, name: str) -> tuple[MlflowClient, Run, dict[str, Run]]:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id]))
    (study,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    trials = {run.data.tags["tunepipe.trial"]: run for run in found if run is not study}
    assert len(trials) == len(found) - 1
    assert {run.data.tags["mlflow.parentRunId"] for run in trials.values()} == {study.info.run_id}
    return client, study, trials


def test_a_trial_has_its_config_its_epochs_and_its_state(folder: Path, asha_results: Results) -> None:
    done = write_mlflow(asha_results, str(folder))
    client, study, trials = runs(folder, "mnist-asha")

    assert done == (f"sqlite:///{folder / 'mlflow.db'}", len(asha_results.trials), 0)
    assert sorted(trials) == asha_results.trials["trial_id"].to_list()
    best = asha_results.best
    assert best is not None
    assert trials[best.trial_id].data.params == {name: str(value) for name, value in best.config.items()}
    own = asha_results.epochs[asha_results.epochs["trial_id"] == best.trial_id]
    reported = client.get_metric_history(trials[best.trial_id].info.run_id, "val_accuracy")
    assert [(one.step, one.value) for one in reported] == list(zip(own["epoch"], own["val_accuracy"], strict=True))
    assert [one.timestamp for one in reported] == [int(time.timestamp() * 1000) for time in own["time"]]
    assert study.data.metrics["best.val_accuracy"] == best.value
    assert study.data.params["space.units"] == "whole numbers from 16 to 256, uniform in the logarithm"
    assert {trials[trial].info.status for trial in ("0004", "0009")} == {"FAILED"}
    assert "ValueError: units" in trials["0004"].data.tags["tunepipe.error"]
    assert study.info.status == trials[best.trial_id].info.status == "FINISHED"


def test_writing_it_twice_doubles_nothing(folder: Path, asha_results: Results) -> None:
    write_mlflow(asha_results, str(folder))
    client, study, before = runs(folder, "mnist-asha")
    _, written, kept = write_mlflow(asha_results, str(folder))
    _, same, after = runs(folder, "mnist-asha")

    assert (written, kept) == (0, len(asha_results.trials))
    assert {trial: run.info.run_id for trial, run in before.items()} == {
        trial: run.info.run_id for trial, run in after.items()
    }
    assert same.info.run_id == study.info.run_id
    assert len(client.get_metric_history(study.info.run_id, "best.val_accuracy")) == 1


def test_a_continued_study_is_updated(folder: Path, asha_results: Results) -> None:
    first = asha_results.best.trial_id  # type: ignore[union-attr]
    epochs = asha_results.epochs[(asha_results.epochs["trial_id"] != first) | (asha_results.epochs["epoch"] < 3)]
    trials = asha_results.trials.copy()
    trials.loc[trials["trial_id"] == first, ["state", "best_epoch"]] = ["running", 2]
    write_mlflow(replace(with_tables(asha_results, trials=trials, epochs=epochs), state="running"), str(folder))
    _, study, before = runs(folder, "mnist-asha")
    assert study.info.status == before[first].info.status == "RUNNING"

    _, written, _ = write_mlflow(asha_results, str(folder))
    client, study, after = runs(folder, "mnist-asha")

    assert (written, study.info.status) == (1, "FINISHED")
    steps = [one.step for one in client.get_metric_history(after[first].info.run_id, "loss")]
    assert steps == asha_results.epochs.loc[asha_results.epochs["trial_id"] == first, "epoch"].to_list()


def test_an_export_that_was_cut_off_is_completed(
    folder: Path, asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, calls = MlflowClient.log_batch, 0

    def breaks(*arguments: object, **named: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise OSError("the line is cut")
        log(*arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", breaks)
    with pytest.raises(StorageError, match="the line is cut"):
        write_mlflow(asha_results, str(folder))
    monkeypatch.undo()
    _, written, kept = write_mlflow(asha_results, str(folder))
    _, _, trials = runs(folder, "mnist-asha")

    assert kept > 0
    assert len(trials) == kept + written == len(asha_results.trials)
    assert all("tunepipe.digest" in run.data.tags for run in trials.values())


def test_a_parameter_that_changes_is_exported_by_epoch(folder: Path, pbt_results: Results) -> None:
    write_mlflow(pbt_results, str(folder))
    client, _, trials = runs(folder, "mnist-pbt")
    segments = pbt_results.epochs.groupby("trial_id")["segment"].nunique()
    changed, same = segments.idxmax(), segments.idxmin()
    own = pbt_results.epochs[pbt_results.epochs["trial_id"] == changed]

    reported = client.get_metric_history(trials[changed].info.run_id, "config_lr")
    assert segments[changed] > 1
    assert [one.value for one in reported] == own["config_lr"].to_list()
    assert segments[same] > 1 or "config_lr" not in trials[same].data.metrics


def test_an_export_leaves_variables_and_loggers_as_they_were(
    asha_results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delenv("MLFLOW_LOGGING_LEVEL", raising=False)
    loggers = [logging.getLogger(name) for name in ("", "mlflow", "alembic", "sqlalchemy")]
    before = dict(os.environ), [logger.level for logger in loggers]

    write_mlflow(with_tables(asha_results, trials=asha_results.trials.head(0)), str(tmp_path))
    with pytest.raises(StorageError):
        write_mlflow(asha_results, "ftp://nowhere")

    assert (dict(os.environ), [logger.level for logger in loggers]) == before
    assert capfd.readouterr().err == ""


def test_a_location_that_mlflow_does_not_know_is_refused(asha_results: Results) -> None:
    with pytest.raises(StorageError, match=r"MLflow at ftp://nowhere.* Name a tracking URI"):
        write_mlflow(asha_results, "ftp://nowhere")


def test_without_mlflow_the_command_prints_what_to_install(
    asha_results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(UsageError, match=r"pip install '\.\[mlflow\]'"):
        write_mlflow(asha_results, str(tmp_path))


def test_an_interrupted_creation_of_the_studys_run_is_completed(
    folder: Path, asha_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:

    def breaks(*_arguments: object, **_named: object) -> None:
        raise OSError("the line is cut")

    monkeypatch.setattr(MlflowClient, "log_batch", breaks)
    with pytest.raises(StorageError, match="the line is cut"):
        write_mlflow(asha_results, str(folder))
    monkeypatch.undo()
    write_mlflow(asha_results, str(folder))
    _, study, _ = runs(folder, "mnist-asha")
    assert study.data.params["seed"] == str(asha_results.job["seed"])


def test_runs_whose_creation_was_answered_too_late_are_deleted(folder: Path, asha_results: Results) -> None:
    write_mlflow(asha_results, str(folder))
    client, study, trials = runs(folder, "mnist-asha")
    experiment = study.info.experiment_id
    client.create_run(experiment, 0, {"mlflow.parentRunId": study.info.run_id, "tunepipe.trial": "0001"})
    names = ("tunepipe.location", "tunepipe.trials", "tunepipe.study")
    client.create_run(experiment, 0, {name: study.data.tags[name] for name in names})
    write_mlflow(asha_results, str(folder))
    _, same, after = runs(folder, "mnist-asha")
    assert same.info.run_id == study.info.run_id
    assert {run.info.run_id for run in after.values()} == {run.info.run_id for run in trials.values()}
