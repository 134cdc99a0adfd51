"""A study in MLflow or TensorBoard, written at once or while it runs: each epoch soon after it was recorded.

A log that fails harms no study.
"""

import hashlib
import math
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.code.modules import expanded
from pipeline.errors import JobNotFound, StorageError, UsageError
from pipeline.results.tables.load import Results, configs_of, load_results, stamp
from pipeline.space import Config, scalar
from pipeline.storage import Store
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.study.files import check_output
from pipeline.text import note, sanitize, sanitize_line, without_keys

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient
    from tensorboardX import SummaryWriter

_POLL_SECONDS, _END_SECONDS = 2.0, 120.0
"""Between two looks at a study, and how long a command waits for the last values."""
_SHARE = 0.05
"""At most this share of the study's time is spent on logging."""

_RUNS, _METRICS, _PARAMS, _LONGEST = 50_000, 900, 100, 5000
"""The most runs and entries that MLflow takes in one request, and characters in a tag or a param."""

_STATUS = {"failed": "FAILED", "running": "RUNNING", "paused": "RUNNING", "waiting": "SCHEDULED"}
"""MLflow's status for the state of a trial or a study; every other state is FINISHED, including an early stop."""

_MLFLOW_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # data goes only to the tracking server that the user names
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout belongs to the command
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 takes minutes where no server answers
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds; so do the default of 120 where a server hangs
}
"""Environment variables of MLflow; those that the user has set keep their values."""

_BEST = "best objective"
"""The name under which TensorBoard's HParams tab shows a trial's best value; no metric has it."""

_Point = tuple[str, int, float, datetime]
"""A number of an epoch: name, epoch, value, time."""


def logs_of(texts: Sequence[str]) -> dict[str, "MLflowLog | TensorBoardLog"]:
    """The logs that a user has asked for; a relative path is one of the current folder, which a trial may change."""
    logs: dict[str, MLflowLog | TensorBoardLog] = {}
    for text in texts:
        kind, _, place = text.partition("=")
        if kind == "mlflow" and place:
            logs[text] = MLflowLog(place)
        elif kind == "tensorboard" and place:
            check_output(folder := expanded(place).absolute())
            logs[text] = TensorBoardLog(folder)
        else:
            raise UsageError(f"--log must be mlflow=URI, mlflow=FOLDER or tensorboard=FOLDER; found {text!r:.200}.")
    return logs


@contextmanager
def log_live(store: Store, texts: Sequence[str]) -> Iterator[None]:
    """Log a study while the context is open, and the rest of it when the context ends, however it ends."""
    ended = threading.Event()
    # A thread for each, so that a server which hangs keeps no other log waiting.
    threads = [
        threading.Thread(target=_follow, args=(store, text, log, ended), name=text, daemon=True)
        for text, log in logs_of(texts).items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        last = time.monotonic() + _END_SECONDS
        for thread in threads:
            thread.join(max(0.0, last - time.monotonic()))
            if thread.is_alive():
                log = without_keys(thread.name)
                note(f"--log {log}: not everything is logged yet; a resume with --log adds the rest.")


def _follow(store: Store, text: str, log: Any, ended: threading.Event) -> None:
    """Log what is new, again and again, and once more at the end."""
    pause, mark, noted, last = _POLL_SECONDS, "", False, False
    while not last:
        last, began = ended.wait(pause), time.monotonic()
        try:
            if (now := stamp(store)) != mark:
                log.update(load_results(store.uri))
                # Not before: what could not be logged is tried again.
                mark = now
        except JobNotFound:
            pass  # the study has not begun yet, or was deleted
        except Exception as error:
            if not noted:
                noted, reason = True, without_keys(sanitize_line(str(error) or type(error).__name__))
                note(f"--log {without_keys(text)}: {reason} The study continues, and missing epochs are logged later.")
        pause = max(_POLL_SECONDS, (time.monotonic() - began) / _SHARE)
    log.close()


def _points(results: Results, trials: pa.Table) -> Iterator[tuple[dict[str, Any], Config, list[_Point]]]:
    """Some rows of `trials` with the config of each and the finite numbers of its epochs."""
    epochs = results.table("epochs")
    epochs = epochs.filter(pc.is_in(epochs["trial_id"], value_set=trials["trial_id"].combine_chunks()))
    metrics, points = [*metric_columns(epochs.column_names), "learning_rate"], dict[str, list[_Point]]()
    for row in epochs.select(["trial_id", "epoch", "time", *metrics]).to_pylist():
        points.setdefault(row["trial_id"], []).extend(
            (name, row["epoch"], float(row[name]), row["time"])
            for name in metrics
            if row[name] is not None and math.isfinite(row[name])
        )
    for trial, config in zip(trials.to_pylist(), configs_of(trials, results.space), strict=True):
        yield trial, config, points.get(trial["trial_id"], [])


class MLflowLog:
    """A study and its trials as runs of an experiment with the study's name, in a tracking server or a folder.

    The study's run is recognised by the study's location and first start. A trial whose run has its state and number
    of epochs is not written again; one that has trained further gets its new epochs.
    """

    def __init__(self, destination: str) -> None:
        for name, value in _MLFLOW_SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow.tracking  # noqa: F401
        except ImportError:
            raise UsageError(
                "MLflow needs a package that is not installed: `pip install '.[mlflow]'` in the checkout."
            ) from None
        self._destination, self._artifacts = destination, None
        if (database := re.fullmatch(r"sqlite:///(.+)", destination)) is not None:
            file = Path(database[1]).absolute()
            check_output(file)
            self.uri = f"sqlite:///{file}"
        elif "://" in destination or destination.partition(":")[0] == "databricks":
            self.uri = destination
        else:
            folder = expanded(destination).resolve()
            check_output(folder)
            # MLflow has given up its format of plain files; a database needs no server either.
            self.uri, self._artifacts = f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts"

    def update(self, results: Results) -> None:
        """Write what is new."""
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            if self._artifacts is not None:
                self._artifacts.parent.mkdir(parents=True, exist_ok=True)
            client = MlflowClient(tracking_uri=self.uri)
            existing = client.get_experiment_by_name(results.name)
            artifacts = None if self._artifacts is None else self._artifacts.as_uri()
            experiment = existing.experiment_id if existing else client.create_experiment(results.name, artifacts)
            _write_study(client, experiment, results)
        except (MlflowException, OSError) as error:
            reason = sanitize(str(error)).strip().partition("\n")[0].rstrip(".")
            found = without_keys(f"MLflow at {self._destination}: {reason}")
            raise StorageError(
                f"{found}. Name a tracking URI (http://HOST:5000, sqlite:///FILE) or a folder."
            ) from None

    def close(self) -> None:
        """Nothing is open."""


def _write_study(client: "MlflowClient", experiment: str, results: Results) -> None:
    job, objective, trials = results.job, results.objective, results.table("trials")
    began = results.sessions[0].started if results.sessions else ""
    identity = hashlib.sha256(f"{results.location}\n{began}".encode()).hexdigest()
    start = _milliseconds(datetime.fromisoformat(began)) if began else None
    found = client.search_runs([experiment], f"tags.`tunepipe.study` = '{identity}'")
    tags = {"tunepipe.study": identity, "tunepipe.location": without_keys(results.location)}
    parent = found[0] if found else client.create_run(experiment, start, tags, results.name)
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'", max_results=_RUNS)
    runs = {run.data.tags.get("tunepipe.trial"): run for run in children}
    best = f"best.{metric_column(objective.metric)}"
    for trial, config, points in _points(results, trials):
        progress = {"tunepipe.state": trial["state"], "tunepipe.epochs": str(trial["epochs"])}
        run = runs.get(trial["trial_id"])
        if run is not None and progress.items() <= run.data.tags.items():
            continue
        first, last = (_milliseconds(points[at][3]) if points else None for at in (0, -1))
        if run is None:
            own = {"mlflow.parentRunId": parent.info.run_id, "tunepipe.trial": trial["trial_id"]}
            run = client.create_run(experiment, first, own, f"{results.name} {trial['trial_id']}")
        known = int(run.data.tags.get("tunepipe.epochs", 0))
        new = [point for point in points if point[1] > known]
        if points and trial["objective"] is not None:
            new.append((best, points[-1][1], trial["objective"], points[-1][3]))
        params = {name: scalar(value) for name, value in config.items()}
        _write_run(client, run, params, new, {**progress, "tunepipe.error": trial["error"]}, trial["state"], last)
    params = {
        "objective": f"{objective.metric} ({objective.mode})", "scheduler": job["scheduler"]["kind"],
        "searcher": job["searcher"]["kind"], "seed": job["seed"],
    }  # fmt: skip
    values = {name if name.isidentifier() else metric_column(name): one for name, one in (results.test or {}).items()}
    values |= {best: results.best.value} if results.best else {}
    count, now = results.table("epochs").num_rows, datetime.now()
    points = [(name, count, float(value), now) for name, value in values.items() if math.isfinite(value)]
    tags = {
        "mlflow.note.content": job["description"], "tunepipe.state": results.state, "tunepipe.epochs": str(count),
        "tunepipe.best_trial": results.best.trial_id if results.best else "",
    }  # fmt: skip
    if any(parent.data.tags.get(name) != text for name, text in _texts(tags).items()):
        _write_run(client, parent, params, points, tags, results.state)


def _write_run(
    client: "MlflowClient", run: Any, params: Mapping[str, Any], points: Sequence[_Point], tags: Mapping[str, Any],
    state: str, end: int | None = None,
) -> None:  # fmt: skip
    """Write the params that a run does not have (MLflow changes none), points, its status, and at last its tags: a run
    whose export was interrupted does not count as up to date.
    """
    from mlflow.entities import Metric, Param, RunTag

    run_id = run.info.run_id
    entries = [Param(name, text) for name, text in _texts(params).items() if name not in run.data.params]
    metrics = [Metric(name, value, _milliseconds(moment), step) for name, step, value, moment in points]
    for at in range(0, len(entries), _PARAMS):
        client.log_batch(run_id, params=entries[at : at + _PARAMS])
    for at in range(0, len(metrics), _METRICS):
        client.log_batch(run_id, metrics=metrics[at : at + _METRICS])
    if (status := _STATUS.get(state, "FINISHED")) in ("FINISHED", "FAILED"):
        client.set_terminated(run_id, status, end)
    else:
        client.update_run(run_id, status=status)
    client.log_batch(run_id, tags=[RunTag(name, text) for name, text in _texts(tags).items()])


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as texts that MLflow accepts, without missing ones."""
    return {name: str(value)[:_LONGEST] for name, value in values.items() if value is not None and value == value}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


class TensorBoardLog:
    """Writes each epoch of a study into event files: one folder for each trial.

    Each session writes every epoch: in TensorBoard, its files replace those of earlier sessions.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, SummaryWriter] = {}
        self._last: dict[str, int] = {}
        self._ended: set[str] = set()

    def update(self, results: Results) -> None:
        """Write what is new of each trial into the study's folder."""
        folder, trials = self._folder / results.name, results.table("trials")
        live = trials.filter(pc.invert(pc.is_in(trials["trial_id"], value_set=pa.array(self._ended, pa.string()))))
        try:
            for trial, config, points in _points(results, live):
                if points:
                    self._write_trial(folder, trial, config, points)
        except OSError as error:
            raise StorageError(f"Cannot write {folder}: {error.strerror or error}.") from None

    def close(self) -> None:
        """Write what is still in buffers."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _write_trial(self, folder: Path, trial: Mapping[str, Any], config: Config, points: Sequence[_Point]) -> None:
        from tensorboardX import SummaryWriter
        from tensorboardX.summary import hparams

        trial_id, best = trial["trial_id"], math.nan if trial["objective"] is None else trial["objective"]
        if not (trial_id.isascii() and trial_id.isalnum()):
            raise StorageError(f"{trial_id!r:.100} is not a trial's id.")  # the study's files are not trusted
        place = folder / trial_id
        if new := [point for point in points if point[1] > self._last.get(trial_id, 0)]:
            if trial_id not in self._writers:
                # File names contain the second: a file of the same second would replace an earlier one. TensorBoard
                # forgets what earlier sessions wrote.
                suffix, first = f".{len(list(place.glob('events.out.*')))}", trial_id not in self._last
                purge = 0 if first else None
                self._writers[trial_id] = SummaryWriter(str(place), filename_suffix=suffix, purge_step=purge)
                # The tab shows a metric only where a scalar of that name is written too.
                values = {name: scalar(value) for name, value in config.items()}
                for summary in hparams(values, {_BEST: best}) if first else ():
                    self._writers[trial_id].file_writer.add_summary(summary)
            # HParams shows the newest value, which is that of the whole trial.
            for name, epoch, value, moment in [*new, (_BEST, new[-1][1], best, new[-1][3])]:
                self._writers[trial_id].add_scalar(name, value, epoch, walltime=moment.timestamp())
            self._writers[trial_id].flush()
            self._last[trial_id] = new[-1][1]
        if trial["state"] in ("stopped", "completed", "failed"):
            self._ended.add(trial_id)
        if trial["state"] != "running" and trial_id in self._writers:
            # Each has open files and threads, and most trials of a large study are paused.
            self._writers.pop(trial_id).close()
