"""A study logged to other tools while it runs, read back from them."""

import json
from collections import Counter
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline.errors import UsageError
from pipeline.results.export.live_logs import log_live, logs_of
from pipeline.results.export.tensorboard import written_events
from pipeline.storage import Store
from pipeline.study import layout
from tests.unit.results.studies import Recording, tune_job

CONFIG = {"lr": 0.1, "momentum": 0.9, "optimizer": "adam"}


def _recorded(root: Path) -> Recording:
    study = Recording(root, tune_job("live", scheduler="fifo"))
    for number in range(2):
        study.decide(layout.trial_id(number), 0, "start", number, "drawn", config_after=CONFIG)
    _train(study, 1, 2)
    study.end(5, state="interrupted")
    return study


def _train(study: Recording, *epochs: int) -> None:
    for number in range(2):
        for epoch in epochs:
            study.train(layout.trial_id(number), epoch, CONFIG, 0.5 + epoch / 10 + number / 100, epoch + number / 2)


def test_each_epoch_is_logged_once_over_two_sessions(folder: Path, tmp_path: Path) -> None:
    study, notes = _recorded(tmp_path / "studies"), []
    logs = [f"mlflow={folder}", f"tensorboard={tmp_path / 'board'}"]
    with log_live(study.store, logs, notes.append):
        pass
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("live")
    assert experiment is not None
    before = {run.info.run_id for run in client.search_runs([experiment.experiment_id])}

    study.session = 2
    _train(study, 3)
    study.end(5, started=10)
    with log_live(study.store, logs, notes.append):
        pass
    assert notes == []
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_id for run in runs} == before
    trials = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(trials) == 2
    for run in trials:
        history = client.get_metric_history(run.info.run_id, "val_accuracy")
        assert [one.step for one in history] == [1, 2, 3]
        events = written_events(tmp_path / "board/live" / run.data.tags["tunepipe.trial"])
        counts = Counter((value.tag, event.step) for event in events for value in event.summary.value)
        assert {counts["val_accuracy", epoch] for epoch in (1, 2, 3)} == {1}
        assert counts["val_accuracy", 4] == 0


def test_the_exported_winner_is_an_artifact_and_the_environment_tags(folder: Path, tmp_path: Path) -> None:
    study = _recorded(tmp_path / "studies")
    machine = {"host": "node-1", "system": "Linux", "cpu": "c", "cores": 2, "memory": 8 * 2**30, "gpus": []}
    git = {"commit": "0123456789", "dirty": False}
    provenance = {"command": ["tunepipe", "run"], "git": git, "versions": {"keras": "3.15.0"}, "machine": machine}
    study.end(5)
    session = study.store.read_json(layout.session(1)) | {"provenance": provenance | {"seed": 7}}
    study.store.write(layout.session(1), json.dumps(session))
    study.store.write("export/model.keras", b"a model")
    study.store.write(layout.WINNER, '{"trial_id": "0001", "epoch": 2, "metrics": {"test_accuracy": 0.5}}')
    with log_live(study.store, [f"mlflow={folder}"], pytest.fail):
        pass

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("live")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.`tunepipe.trials` != ''")
    kept = [file.path for file in client.list_artifacts(run.info.run_id, "model")]
    assert sorted(kept) == ["model/model.keras", "model/winner.json"]
    assert run.data.tags["tunepipe.versions"] == "keras 3.15.0"
    assert run.data.tags["mlflow.source.git.commit"] == "0123456789"


def test_a_log_that_fails_is_reported_once_and_harms_nothing(tmp_path: Path) -> None:
    study, notes = _recorded(tmp_path / "studies"), []
    other = tmp_path / "board/live"
    other.mkdir(parents=True)
    (other / "events.out.other").touch()
    logs = [f"tensorboard={tmp_path / 'board'}", "mlflow=ftp://nowhere"]
    with log_live(study.store, logs, notes.append):
        pass
    by_log = {note.partition(": ")[0]: note for note in notes}
    assert len(notes) == 2
    assert set(by_log) == {f"--log {log}" for log in logs}
    assert "is not empty" in by_log[f"--log {logs[0]}"]
    assert [path.name for path in other.iterdir()] == ["events.out.other"]


def test_a_study_that_never_began_is_no_failure(tmp_path: Path) -> None:
    with log_live(Store(tmp_path / "none"), [f"tensorboard={tmp_path / 'board'}"], pytest.fail):
        pass
    assert not (tmp_path / "board").exists()


@pytest.mark.parametrize("text", ["mlflow", "mlflow=", "wandb=x", ""])
def test_a_log_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="mlflow=URI"):
        logs_of([text])
