"""Writes a study to MLflow: a parent run for the study, and a child run for each trial."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.errors import StorageError, UsageError
from pipeline.results.export.mlflow_destination import locations
from pipeline.results.export.mlflow_runs import MetricValue, RunContent, study_run, trial_runs
from pipeline.results.tables.load import Results
from pipeline.sanitize import sanitize
from pipeline.storage import Store
from pipeline.study import layout

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


_METRICS, _PARAMS = 900, 100
"""The maximum number of entries that MLflow accepts in one request; a thousand of all kinds together."""

_MODEL_TAG = "tunepipe.model"
_STUDY_TAG = "tunepipe.study"
"""A digest of the params of a study's run, which tells studies apart that were in the same location."""

_PARTS_OF_MODEL = ("architecture.json", "model.weights.h5")
"""Files of an export that model.keras contains too."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # data goes only to the tracking server that the user names
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout belongs to the command
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 takes minutes where no server answers
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; so do the default of 120 where a server hangs
}
"""Environment variables during an export; those that the user has set keep their values."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export did."""

    uri: str
    written: int
    kept: int


def write_mlflow(results: Results, destination: str) -> ExportSummary:
    """Write a study and its trials as runs of an experiment with the study's name.

    Writing a study again adds what is new. The run of a trial that has not changed stays as it is, a trial that has
    trained further gets its new epochs, and a run whose config or earlier epochs differ is replaced. The study's run is
    recognised by the study's location. The exported winner is an artifact of it. Environment variables and the level of
    MLflow's logger are restored at the end.
    """
    check_mlflow()
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    with _settings():
        try:
            with _without_log_messages():
                uri, artifacts = locations(destination)
                client = MlflowClient(tracking_uri=uri)
                existing = client.get_experiment_by_name(results.name)
                experiment = existing.experiment_id if existing else client.create_experiment(results.name, artifacts)
                written, kept = _write(client, experiment, results)
        except (MlflowException, OSError) as error:
            reason = sanitize(str(error)).strip().partition("\n")[0].rstrip(".")
            raise StorageError(
                f"MLflow at {destination}: {reason}. Name a tracking URI (http://HOST:5000, sqlite:///FILE) or a "
                "folder."
            ) from None
    return ExportSummary(uri, written, kept)


def check_mlflow() -> None:
    """Import MLflow."""
    with _settings():
        try:
            import mlflow.tracking  # noqa: F401
        except ImportError:
            raise UsageError(
                "MLflow needs a package that is not installed: `pip install '.[mlflow]'` in the checkout."
            ) from None


@contextmanager
def _settings() -> Iterator[None]:
    added = [name for name in _SETTINGS if name not in os.environ]
    os.environ.update({name: _SETTINGS[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _without_log_messages() -> Iterator[None]:
    """Leave out MLflow's messages about each step of a database's creation; its import has set the logger's level."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _write(client: "MlflowClient", experiment: str, results: Results) -> tuple[int, int]:
    """Write the study's run and its trials' runs; returns how many trials were written, and how many were kept."""
    study = study_run(results)
    parent = _parent(client, experiment, results, study)
    existing: dict[str, Any] = {}
    runs = _runs(client, experiment, f"tags.mlflow.parentRunId = '{parent}'")
    for run in sorted(runs, key=lambda run: "tunepipe.digest" not in run.data.tags):
        trial_id = run.data.tags.get("tunepipe.trial", "")
        if existing.setdefault(trial_id, run) is not run:
            # The server created it although its answer came too late.
            client.delete_run(run.info.run_id)
    written = kept = 0
    for trial_id, trial in trial_runs(results).items():
        old = existing.get(trial_id)
        if old is not None and old.data.tags.get("tunepipe.digest") == trial.digest:
            kept += 1
            continue
        new_values = None if old is None else _new_values(client, old, trial)
        if old is not None and new_values is not None:
            run = old.info.run_id
        else:
            if old is not None:
                client.delete_run(old.info.run_id)
            tags = {"mlflow.parentRunId": parent, "tunepipe.trial": trial_id}
            run = client.create_run(experiment, trial.start, tags, f"{results.name} {trial_id}").info.run_id
        _log_trial(client, run, trial, trial.metrics if new_values is None else new_values)
        written += 1
    _log_tags(client, parent, study.tags)
    _log_model(client, parent, results)
    _log_status(client, parent, study)
    return written, kept


def _new_values(client: "MlflowClient", old: Any, trial: RunContent) -> list[MetricValue] | None:
    """The values that a trial's run lacks; None if it has a param or a value that the trial no longer has."""
    if any(trial.params.get(name) != value for name, value in old.data.params.items()):
        return None
    current = {(metric.name, metric.step): metric.value for metric in trial.metrics}
    logged = {
        (name, metric.step): metric.value
        for name in old.data.metrics
        for metric in client.get_metric_history(old.info.run_id, name)
    }
    # The history of a best value keeps earlier best values.
    if any(
        current.get((name, step)) != value for (name, step), value in logged.items() if not name.startswith("best.")
    ):
        return None
    return [metric for metric in trial.metrics if logged.get((metric.name, metric.step)) != metric.value]


def _log_model(client: "MlflowClient", parent: str, results: Results) -> None:
    """Log the exported winner as an artifact of the study's run, once for each winner."""
    store, best = Store(results.location), results.best
    if best is None or results.test is None:
        return
    winner = f"trial {best.trial_id}, epoch {best.epoch}"
    if client.get_run(parent).data.tags.get(_MODEL_TAG) == winner:
        return
    with TemporaryDirectory() as folder:
        for path in store.files(layout.EXPORT):
            if (name := PurePosixPath(path).name) not in _PARTS_OF_MODEL:
                with (Path(folder) / name).open("wb") as file:
                    file.writelines(store.pieces(path))
        client.log_artifacts(parent, folder, "model")
    client.set_tag(parent, _MODEL_TAG, winner)


def _parent(client: "MlflowClient", experiment: str, results: Results, study: RunContent) -> str:
    """The id of the study's run, which exists or is created, with its newest metrics."""
    digest = hashlib.sha256(json.dumps(study.params, sort_keys=True).encode()).hexdigest()
    # Another study may have been in the same location before. Params are logged after the run was created, if ever.
    own = [
        run
        for run in _runs(client, experiment, "tags.`tunepipe.trials` != ''")
        if run.data.tags.get("tunepipe.location") == results.location
        and (run.data.tags.get(_STUDY_TAG) == digest or run.data.params == study.params)
    ]
    own.sort(key=lambda run: "tunepipe.state" not in run.data.tags)
    for run in own[1:]:
        if "tunepipe.state" not in run.data.tags:
            client.delete_run(run.info.run_id)
    if own:
        logged, parent = own[0].data, str(own[0].info.run_id)
        params, values = logged.params, logged.metrics
    else:
        tags = {"tunepipe.location": results.location, "tunepipe.trials": str(len(results.trials)), _STUDY_TAG: digest}
        parent, params, values = str(client.create_run(experiment, study.start, tags, results.name).info.run_id), {}, {}
    if params != study.params:
        _log_params(client, parent, study.params)
    _log_metrics(client, parent, [metric for metric in study.metrics if values.get(metric.name) != metric.value])
    return parent


def _runs(client: "MlflowClient", experiment: str, condition: str) -> list[Any]:
    """The runs that satisfy a condition, from all pages of the answer."""
    runs: list[Any] = []
    token: str | None = ""
    while token is not None:
        page = client.search_runs([experiment], condition, page_token=token or None)
        runs += page
        token = page.token or None
    return runs


def _log_trial(client: "MlflowClient", run: str, trial: RunContent, metrics: Sequence[MetricValue]) -> None:
    _log_params(client, run, trial.params)
    _log_metrics(client, run, metrics)
    _log_status(client, run, trial)
    # Last, so that a run whose export was interrupted does not count as up to date.
    _log_tags(client, run, {**trial.tags, "tunepipe.digest": trial.digest})


def _log_params(client: "MlflowClient", run: str, params: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    entries = [Param(name, value) for name, value in params.items()]
    for first in range(0, len(entries), _PARAMS):
        client.log_batch(run, params=entries[first : first + _PARAMS])


def _log_metrics(client: "MlflowClient", run: str, metrics: Sequence[MetricValue]) -> None:
    from mlflow.entities import Metric

    for first in range(0, len(metrics), _METRICS):
        client.log_batch(run, metrics=[Metric(*metric) for metric in metrics[first : first + _METRICS]])


def _log_tags(client: "MlflowClient", run: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])


def _log_status(client: "MlflowClient", run: str, content: RunContent) -> None:
    if content.status in ("FINISHED", "FAILED"):
        client.set_terminated(run, content.status, content.end)
    else:
        client.update_run(run, status=content.status)
