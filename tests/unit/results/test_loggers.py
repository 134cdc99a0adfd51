"""A study in MLflow and TensorBoard, at once and while it runs, read back by these tools."""

import shutil
import threading
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.errors import StorageError, UsageError
from pipeline.results import Results, load_results
from pipeline.results.loggers import MLflowLog, TensorBoardLog, log_live, logs_of
from pipeline.storage import layout
from pipeline.text import notes_to
from tests.recorded_studies import Recording, tune_job, with_tables

CONFIG = {"lr": 0.1, "momentum": 0.9, "optimizer": "adam"}


def shown_in_tensorboard(folder: Path, name: str) -> list[tuple[int, float]]:
    """The points of a scalar that TensorBoard shows: epochs and values."""
    # By default it keeps a sample of long curves.
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, asha_results: Results) -> Path:
    """MLflow's database, which takes seconds to create."""
    folder = tmp_path_factory.mktemp("mlflow")
    MLflowLog(str(folder)).update(with_tables(asha_results, trials=asha_results.trials.head(0)))
    return folder / "mlflow.db"


@pytest.fixture
def folder(database: Path, tmp_path: Path) -> Path:
    shutil.copy(database, tmp_path)
    return tmp_path


def runs(folder: Path, name: str) -> tuple[MlflowClient, Run, dict[str, Run]]:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id]))
    (study,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    trials = {run.data.tags["tunepipe.trial"]: run for run in found if run is not study}
    assert len(trials) == len(found) - 1
    return client, study, trials


def recorded(root: Path) -> Recording:
    study = Recording(root, tune_job("live", scheduler="fifo"))
    for number in range(2):
        study.decide(layout.trial_id(number), 0, "start", number, "drawn", config_after=CONFIG)
    train(study, 1, 2)
    study.end(5, state="interrupted")
    return study


def train(study: Recording, *epochs: int) -> None:
    for number in range(2):
        for epoch in epochs:
            study.train(layout.trial_id(number), epoch, CONFIG, 0.5 + epoch / 10 + number / 100, epoch + number / 2)


def test_a_trial_has_its_config_its_epochs_and_its_state(folder: Path, asha_results: Results) -> None:
    log, best = MLflowLog(str(folder)), asha_results.best
    assert best is not None
    log.update(asha_results)
    log.update(asha_results)

    client, study, trials = runs(folder, "mnist-asha")
    assert sorted(trials) == asha_results.trials["trial_id"].to_list()
    assert trials[best.trial_id].data.params == {name: str(value) for name, value in best.config.items()}
    own = asha_results.epochs[asha_results.epochs["trial_id"] == best.trial_id]
    reported = client.get_metric_history(trials[best.trial_id].info.run_id, "val_accuracy")
    assert [(one.step, one.value) for one in reported] == list(zip(own["epoch"], own["val_accuracy"], strict=True))
    assert [one.timestamp for one in reported] == [int(time.timestamp() * 1000) for time in own["time"]]
    assert study.data.metrics["best.val_accuracy"] == trials[best.trial_id].data.metrics["best.val_accuracy"]
    assert {trials[trial].info.status for trial in ("0004", "0009")} == {"FAILED"}
    assert "ValueError: units" in trials["0004"].data.tags["tunepipe.error"]
    assert study.info.status == trials[best.trial_id].info.status == "FINISHED"
    assert len(client.get_metric_history(study.info.run_id, "best.val_accuracy")) == 1


def test_a_location_that_mlflow_does_not_know_is_refused(asha_results: Results) -> None:
    with pytest.raises(StorageError, match=r"MLflow at ftp://…nowhere"):
        MLflowLog("ftp://user:secret@nowhere").update(asha_results)


def test_every_epoch_and_config_is_in_tensorboard(asha_results: Results, tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    log.update(asha_results)
    log.close()
    for trial, own in asha_results.epochs[asha_results.epochs["val_accuracy"].notna()].groupby("trial_id"):
        shown = shown_in_tensorboard(tmp_path / asha_results.name / str(trial), "val_accuracy")
        expected = zip(own["epoch"], own["val_accuracy"], strict=True)
        assert shown == [(epoch, pytest.approx(value, rel=1e-6)) for epoch, value in expected]
    (file,) = (tmp_path / asha_results.name / "0001").glob("events.out.*")
    assert b"_hparams_/session_start_info" in file.read_bytes()


def test_a_paused_trial_keeps_no_file_open_and_gets_its_later_epochs(tmp_path: Path) -> None:
    study, log = recorded(tmp_path / "studies"), TensorBoardLog(tmp_path / "board")
    study.decide("0000", 2, "pause", 4.0)
    study.flush()
    log.update(load_results(study.store.uri))
    # That of the other trial.
    assert sum(type(thread).__module__.startswith("tensorboardX") for thread in threading.enumerate()) == 1
    study.session = 2
    train(study, 3)
    study.end(5, started=10)
    log.update(load_results(study.store.uri))
    log.close()
    assert [epoch for epoch, _ in shown_in_tensorboard(tmp_path / "board/live/0000", "loss")] == [1, 2, 3]


def test_each_epoch_is_logged_once_over_two_sessions(folder: Path, tmp_path: Path) -> None:
    study, notes = recorded(tmp_path / "studies"), list[str]()
    logs = [f"mlflow={folder}", f"tensorboard={tmp_path / 'board'}"]
    with notes_to(notes.append), log_live(study.store, logs):
        pass
    _, _, before = runs(folder, "live")
    study.session = 2
    train(study, 3)
    for trial, kind in (("0000", "complete"), ("0001", "fail")):
        study.decide(trial, 3, kind, 4.0)
    study.end(5, started=10)
    with notes_to(notes.append), log_live(study.store, logs):
        pass
    assert notes == []
    client, _, trials = runs(folder, "live")
    statuses = [[each[trial].info.status for trial in ("0000", "0001")] for each in (before, trials)]
    assert statuses == [["RUNNING", "RUNNING"], ["FINISHED", "FAILED"]]
    assert {run.info.run_id for run in trials.values()} == {run.info.run_id for run in before.values()}
    for trial, run in trials.items():
        assert [one.step for one in client.get_metric_history(run.info.run_id, "val_accuracy")] == [1, 2, 3]
        assert [epoch for epoch, _ in shown_in_tensorboard(tmp_path / "board/live" / trial, "loss")] == [1, 2, 3]


def test_a_log_that_fails_is_reported_once_and_harms_nothing(tmp_path: Path) -> None:
    study, notes = recorded(tmp_path / "studies"), list[str]()
    (tmp_path / "file").touch()
    logs = [f"tensorboard={tmp_path / 'file'}", "mlflow=ftp://nowhere"]
    with notes_to(notes.append), log_live(study.store, logs):
        pass
    assert sorted(note.partition(": ")[0] for note in notes) == sorted(f"--log {log}" for log in logs)


@pytest.mark.parametrize("text", ["mlflow", "mlflow=", "wandb=x", ""])
def test_a_log_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        logs_of([text])
