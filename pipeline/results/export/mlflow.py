"""Writes a study to MLflow: a parent run for the study, and a child run for each trial."""

import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pipeline.errors import StorageError, UsageError
from pipeline.results.analysis.parameters import domain_in_words
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_of
from pipeline.results.views.provenance import provenance_in_words
from pipeline.space import scalar
from pipeline.storage import Store
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.study import layout
from pipeline.study.contents import check_output_folder
from pipeline.text import sanitize

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_METRICS, _PARAMS, _LONGEST = 900, 100, 5000
"""The maximum number of entries that MLflow accepts in one request, and of characters in a tag or a param."""

_MODEL_TAG, _STUDY_TAG, _DIGEST_TAG = "tunepipe.model", "tunepipe.study", "tunepipe.digest"
"""Which model is logged; the study, where another one was in its location before; a run's content, when it is whole."""

_STATUS = {"failed": "FAILED", "running": "RUNNING", "paused": "RUNNING", "waiting": "SCHEDULED"}
"""MLflow's status for the state of a trial or a study; every other state is FINISHED, including an early stop."""

_ALLOWED = re.compile(r"\w[\w.\- ]*(/\w[\w.\- ]*)*")
"""Names of metrics that MLflow accepts."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # data goes only to the tracking server that the user names
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout belongs to the command
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 takes minutes where no server answers
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; so do the default of 120 where a server hangs
}
"""Environment variables during an export; those that the user has set keep their values."""

Value = tuple[str, float, int, int]
"""A value of a metric, with the fields of MLflow's `Metric` in its order: name, value, time in ms, step."""


@dataclass(frozen=True, slots=True)
class _Run:
    """The content of a run of MLflow."""

    params: Mapping[str, str]
    metrics: Sequence[Value]
    tags: Mapping[str, str]
    status: str
    start: int
    end: int

    @property
    def digest(self) -> str:
        content = [self.params, self.metrics, self.tags, self.status, self.start, self.end]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class MLflowLog:
    """Logs a study while it runs."""

    def __init__(self, destination: str) -> None:
        check_mlflow()
        database = re.match(r"sqlite:///(.+)", destination)
        if database is not None:
            destination = f"sqlite:///{Path(database[1]).absolute()}"
        elif not _is_remote(destination):
            destination = str(Path(destination).expanduser().absolute())
        self._destination = destination

    def update(self, results: Results) -> None:
        """Log what is new."""
        write_mlflow(results, self._destination)

    def close(self) -> None:
        """Nothing is open."""


def write_mlflow(results: Results, destination: str) -> tuple[str, int, int]:
    """Write a study and its trials as runs of an experiment with the study's name.

    Writing a study again adds what is new: the run of a trial that has not changed stays as it is, a trial that has
    trained further gets its new epochs, and a run whose config or earlier epochs differ is replaced. The exported
    winner is an artifact of the study's run, which is recognised by the study's location.

    Returns:
        The tracking URI, how many trials were written, and how many were there already.
    """
    check_mlflow()
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    with _settings():
        try:
            uri, artifacts = _locations(destination)
            client = MlflowClient(tracking_uri=uri)
            existing = client.get_experiment_by_name(results.name)
            experiment = existing.experiment_id if existing else client.create_experiment(results.name, artifacts)
            return uri, *_write(client, experiment, results)
        except (MlflowException, OSError) as error:
            reason = sanitize(str(error)).strip().partition("\n")[0].rstrip(".")
            raise StorageError(
                f"MLflow at {destination}: {reason}. Name a tracking URI (http://HOST:5000, sqlite:///FILE) or a "
                "folder."
            ) from None


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
    """MLflow without telemetry, long retries and messages about each step; all is restored at the end."""
    added, logger = [name for name in _SETTINGS if name not in os.environ], logging.getLogger("mlflow")
    os.environ.update({name: _SETTINGS[name] for name in added})
    level = logger.level
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name in added:
            os.environ.pop(name, None)


def _is_remote(destination: str) -> bool:
    return "://" in destination or destination.partition(":")[0] == "databricks"


def _locations(destination: str) -> tuple[str, str | None]:
    """Where MLflow keeps runs and artifacts; creates the folder of a new database."""
    if (database := re.match(r"sqlite:///(.+)", destination)) is not None:
        check_output_folder(Path(database[1]))
    if _is_remote(destination):
        return destination, None
    folder = Path(destination).expanduser().resolve()
    check_output_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # MLflow has given up its format of plain files; a database needs no server either.
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()


def _study_run(results: Results) -> _Run:
    """A study's run: its job as params, the winner's metrics, and its state and environment as tags."""
    job, objective = results.job, results.objective
    # The first branch that has a parameter describes it: several branches may have one of the same name.
    space = {f"space.{one.name}": domain_in_words(one.domain) for one in reversed(results.parameters)}
    params = {
        "objective": f"{objective.metric} ({objective.mode})", "scheduler": job["scheduler"]["kind"],
        "searcher": job["searcher"]["kind"], "seed": job["seed"], **space,
    }  # fmt: skip
    last = results.query("select max(time) as last from epochs")["last"][0].as_py()
    starts, epochs = (
        [datetime.fromisoformat(one["started"]) for one in results.sessions],
        results.table("epochs").num_rows,
    )
    end = _milliseconds(last) if last else 0
    start = _milliseconds(min(starts)) if starts else end
    values = {
        metric if _ALLOWED.fullmatch(metric) else metric_column(metric): value
        for metric, value in (results.test or {}).items()
    }
    if results.best is not None:
        values[f"best.{metric_column(objective.metric)}"] = results.best.value
    tags = {
        "mlflow.note.content": job["description"], "tunepipe.state": results.state, "tunepipe.epochs": epochs,
        "tunepipe.trials": results.table("trials").num_rows,
        "tunepipe.best_trial": results.best.trial_id if results.best else "", **_environment(results),
    }  # fmt: skip
    metrics = [(name, float(value), end, epochs) for name, value in values.items() if math.isfinite(value)]
    return _Run(_texts(params), metrics, _texts(tags), _STATUS.get(results.state, "FINISHED"), start, max(start, end))


def _environment(results: Results) -> dict[str, str]:
    """The newest session's command, commit, versions, machine and seed."""
    recorded = [session for session in results.sessions if session.get("provenance")][-1:]
    tags: dict[str, str] = {}
    for _, lines in provenance_in_words(recorded):
        for label, text in lines:
            name = f"tunepipe.{label.replace(' ', '_')}"
            tags[name] = f"{tags[name]}; {text}" if name in tags else text
    git = recorded[0]["provenance"]["git"] if recorded else None
    return tags | ({"mlflow.source.git.commit": git["commit"]} if git else {})


def _trial_runs(results: Results) -> Iterator[tuple[str, _Run]]:
    """The run of each trial with its id: its config as params, its epochs as metrics, its state as tags."""
    epochs: dict[str, list[dict[str, Any]]] = {}
    for row in results.table("epochs").to_pylist():
        epochs.setdefault(row["trial_id"], []).append(row)
    decided = results.query("select trial_id, min(time) as first, max(time) as last from decisions group by trial_id")
    times = {row["trial_id"]: [row["first"], row["last"]] for row in decided.to_pylist()}
    columns = results.table("epochs").column_names
    metrics, configs = (
        [*metric_columns(columns), "learning_rate"],
        [name for name in columns if name.startswith("config_")],
    )
    best_metric, trials = f"best.{metric_column(results.objective.metric)}", results.table("trials")
    for trial, config in zip(trials.to_pylist(), configs_of(trials, results.space), strict=True):
        own = epochs.get(trial["trial_id"], [])
        # Population based training changes hyperparameters: numbers are metrics, too.
        shown = metrics + (configs if len({row["segment"] for row in own}) > 1 else [])
        values = [
            (name, float(row[name]), _milliseconds(row["time"]), row["epoch"])
            for name in shown
            for row in own
            if isinstance(row[name], int | float) and math.isfinite(row[name])
        ]
        values += [
            (best_metric, trial["objective"], _milliseconds(row["time"]), row["epoch"])
            for row in own
            if row["epoch"] == trial["best_epoch"] and trial["objective"] is not None
        ]
        moments = [_milliseconds(time) for time in [*times.get(trial["trial_id"], []), *(row["time"] for row in own)]]
        tags = {
            "tunepipe.state": trial["state"], "tunepipe.epochs": trial["epochs"],
            "tunepipe.seconds": f"{trial['seconds']:.3f}", "tunepipe.parent_trial": trial["parent"],
            "tunepipe.error": trial["error"],
        }  # fmt: skip
        params = _texts({name: scalar(value) for name, value in config.items()})
        status = _STATUS.get(trial["state"], "FINISHED")
        yield trial["trial_id"], _Run(params, values, _texts(tags), status, min(moments or [0]), max(moments or [0]))


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as texts that MLflow accepts, without missing ones."""
    return {name: str(value)[:_LONGEST] for name, value in values.items() if value is not None and value == value}


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _write(client: "MlflowClient", experiment: str, results: Results) -> tuple[int, int]:
    """Write the study's run and its trials' runs; returns how many trials were written, and how many were kept."""
    study = _study_run(results)
    parent = _parent(client, experiment, results, study)
    existing: dict[str, Any] = {}
    runs = _runs(client, experiment, f"tags.mlflow.parentRunId = '{parent}'")
    for run in sorted(runs, key=lambda run: _DIGEST_TAG not in run.data.tags):
        if existing.setdefault(run.data.tags.get("tunepipe.trial", ""), run) is not run:
            # The server created it although its answer came too late.
            client.delete_run(run.info.run_id)
    written = kept = 0
    for trial_id, trial in _trial_runs(results):
        old = existing.get(trial_id)
        if old is not None and old.data.tags.get(_DIGEST_TAG) == trial.digest:
            kept += 1
            continue
        values = None if old is None else _new_values(client, old, trial)
        if old is not None and values is not None:
            run_id = old.info.run_id
        else:
            if old is not None:
                client.delete_run(old.info.run_id)
            tags = {"mlflow.parentRunId": parent, "tunepipe.trial": trial_id}
            run_id = client.create_run(experiment, trial.start, tags, f"{results.name} {trial_id}").info.run_id
        _log(client, run_id, trial.params, trial.metrics if values is None else values)
        _set_status(client, run_id, trial)
        # Last, so that a run whose export was interrupted does not count as up to date.
        _log(client, run_id, tags={**trial.tags, _DIGEST_TAG: trial.digest})
        written += 1
    _log(client, parent, tags=study.tags)
    _log_model(client, parent, results)
    _set_status(client, parent, study)
    return written, kept


def _new_values(client: "MlflowClient", old: Any, trial: _Run) -> list[Value] | None:
    """The values that a trial's run lacks; None if it has a param or a value that the trial no longer has."""
    if any(trial.params.get(name) != value for name, value in old.data.params.items()):
        return None
    current = {(name, step): value for name, value, _, step in trial.metrics}
    logged = {
        (name, metric.step): metric.value
        for name in old.data.metrics
        for metric in client.get_metric_history(old.info.run_id, name)
    }
    # The history of a best value keeps earlier best values.
    if any(current.get(key) != value for key, value in logged.items() if not key[0].startswith("best.")):
        return None
    return [value for value in trial.metrics if logged.get((value[0], value[3])) != value[1]]


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
            # These are in model.keras, too.
            if (name := PurePosixPath(path).name) not in ("architecture.json", "model.weights.h5"):
                with (Path(folder) / name).open("wb") as file:
                    file.writelines(store.pieces(path))
        client.log_artifacts(parent, folder, "model")
    client.set_tag(parent, _MODEL_TAG, winner)


def _parent(client: "MlflowClient", experiment: str, results: Results, study: _Run) -> str:
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
        parent, params, values = str(own[0].info.run_id), own[0].data.params, own[0].data.metrics
    else:
        tags = {
            "tunepipe.location": results.location,
            "tunepipe.trials": study.tags["tunepipe.trials"],
            _STUDY_TAG: digest,
        }
        parent, params, values = str(client.create_run(experiment, study.start, tags, results.name).info.run_id), {}, {}
    new = [value for value in study.metrics if values.get(value[0]) != value[1]]
    _log(client, parent, {} if params == study.params else study.params, new)
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


def _log(
    client: "MlflowClient",
    run: str,
    params: Mapping[str, str] | None = None,
    metrics: Sequence[Value] = (),
    tags: Mapping[str, str] | None = None,
) -> None:
    from mlflow.entities import Metric, Param, RunTag

    entries = [Param(name, value) for name, value in (params or {}).items()]
    for first in range(0, len(entries), _PARAMS):
        client.log_batch(run, params=entries[first : first + _PARAMS])
    for first in range(0, len(metrics), _METRICS):
        client.log_batch(run, metrics=[Metric(*value) for value in metrics[first : first + _METRICS]])
    if tags:
        client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])


def _set_status(client: "MlflowClient", run: str, content: _Run) -> None:
    if content.status in ("FINISHED", "FAILED"):
        client.set_terminated(run, content.status, content.end)
    else:
        client.update_run(run, status=content.status)
