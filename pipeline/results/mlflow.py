"""A study as MLflow keeps it: a parent run for the study, and below it a run for each trial."""

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipeline.errors import StorageError, UsageError
from pipeline.legible import legible
from pipeline.results.leaderboard import configs_at_best
from pipeline.results.load import Results
from pipeline.results.summary import domain_in_words
from pipeline.space import Config
from pipeline.storage.schema import metric_column, metric_columns

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["Exported", "write_mlflow"]

_STATUS = {"failed": "FAILED", "running": "RUNNING", "paused": "RUNNING", "waiting": "SCHEDULED"}
"""What MLflow calls a trial's or a study's state; every other one is FINISHED to it, an early stop too."""

_METRICS, _PARAMS = 900, 100
"""So many MLflow takes at once; a thousand of all kinds together."""

_LONGEST = 5000
"""Characters of a tag or a param; what is longer MLflow refuses."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is told to anybody but the place that was named
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # seven of them keep silent for minutes where no server is
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
"""Set unless the user has."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did.

    Args:
        uri: Where MLflow finds it: its tracking URI.
        written: How many trials were written.
        kept: How many were there already, as they are now.
    """

    uri: str
    written: int
    kept: int


@dataclass(frozen=True, slots=True)
class _Run:
    """A trial as a run of MLflow: its params, its metrics as (name, value, milliseconds, step), and its tags."""

    params: Mapping[str, str]
    metrics: Sequence[tuple[str, float, int, int]]
    tags: Mapping[str, str]
    status: str
    began: int
    ended: int

    @property
    def digest(self) -> str:
        """Tells whether MLflow has this run already, as it is now."""
        content = [self.params, self.metrics, self.tags, self.status, self.began, self.ended]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_mlflow(results: Results, place: str) -> Exported:
    """Write a study and its trials as runs of the experiment that is called as the study.

    Writing it again adds what is new: a trial that is there as it is now is left alone, one that has gone on since is
    replaced. The study is recognised by where it lies.

    Args:
        results: A study's results.
        place: MLflow's tracking URI, or a folder for a database of its own; made if it is not there.

    Returns:
        Where it was written, and how many trials.

    Raises:
        UsageError: MLflow is not installed.
        StorageError: The place cannot be written.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # Making a database's tables is told step by step.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise UsageError("--mlflow needs a package that is not here: `pip install mlflow-skinny`.") from None
    try:
        uri, files = _located(place)
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(results.name)
        experiment = found.experiment_id if found else client.create_experiment(results.name, artifact_location=files)
        written, kept = _write(client, experiment, results)
    except (MlflowException, OSError) as error:
        reason = legible(str(error)).strip().partition("\n")[0].rstrip(".")
        raise StorageError(
            f"MLflow at {place}: {reason}. Name a tracking URI (http://HOST:5000, sqlite:///FILE) or a folder."
        ) from None
    return Exported(uri, written, kept)


def _located(place: str) -> tuple[str, str | None]:
    """The tracking URI, and where files of runs go; None for where the server puts them."""
    if "://" in place or place.partition(":")[0] == "databricks":
        return place, None
    folder = Path(place).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # MLflow writes no more folders of files; a database takes no server either.
    return f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()


def _write(client: "MlflowClient", experiment: str, results: Results) -> tuple[int, int]:
    from mlflow.entities import RunTag

    study = _study(results)
    parent = _parent(client, experiment, results, study)
    there = {
        run.data.tags.get("tunepipe.trial"): run
        for run in _runs(client, experiment, f"tags.mlflow.parentRunId = '{parent}'")
    }
    written = kept = 0
    for trial_id, trial in _trials(results):
        old = there.get(trial_id)
        if old is not None and old.data.tags.get("tunepipe.digest") == trial.digest:
            kept += 1
            continue
        if old is not None:
            client.delete_run(old.info.run_id)
        tags = {"mlflow.parentRunId": parent, "tunepipe.trial": trial_id}
        _log(client, client.create_run(experiment, trial.began, tags, f"{results.name} {trial_id}").info.run_id, trial)
        written += 1
    client.log_batch(parent, tags=[RunTag(name, value) for name, value in study.tags.items()])
    _end(client, parent, study)
    return written, kept


def _parent(client: "MlflowClient", experiment: str, results: Results, study: _Run) -> str:
    """The study's run: the one that is there, with the newest values, or a new one."""
    from mlflow.entities import Metric

    for run in _runs(client, experiment, "tags.`tunepipe.trials` != ''"):
        # Another study may have lain in the same place before.
        if run.data.tags.get("tunepipe.location") == results.location and run.data.params == study.params:
            known, parent = run.data.metrics, str(run.info.run_id)
            break
    else:
        tags = {"tunepipe.location": results.location, "tunepipe.trials": str(len(results.trials))}
        known, parent = {}, str(client.create_run(experiment, study.began, tags, results.name).info.run_id)
        _log_params(client, parent, study)
    news = [Metric(*one) for one in study.metrics if known.get(one[0]) != one[1]]
    client.log_batch(parent, metrics=news)
    return parent


def _runs(client: "MlflowClient", experiment: str, condition: str) -> list[Any]:
    found: list[Any] = []
    token: str | None = ""
    while token is not None:
        page = client.search_runs([experiment], condition, page_token=token or None)
        found += page
        token = page.token or None
    return found


def _log(client: "MlflowClient", run: str, trial: _Run) -> None:
    from mlflow.entities import Metric, RunTag

    _log_params(client, run, trial)
    for first in range(0, len(trial.metrics), _METRICS):
        client.log_batch(run, metrics=[Metric(*one) for one in trial.metrics[first : first + _METRICS]])
    _end(client, run, trial)
    # Last, so that a trial that was cut off within is not taken for a whole one.
    tags = {**trial.tags, "tunepipe.digest": trial.digest}
    client.log_batch(run, tags=[RunTag(name, value) for name, value in tags.items()])


def _log_params(client: "MlflowClient", run: str, content: _Run) -> None:
    from mlflow.entities import Param

    params = [Param(name, value) for name, value in content.params.items()]
    for first in range(0, len(params), _PARAMS):
        client.log_batch(run, params=params[first : first + _PARAMS])


def _end(client: "MlflowClient", run: str, content: _Run) -> None:
    if content.status in ("FINISHED", "FAILED"):
        client.set_terminated(run, content.status, content.ended)
    else:
        client.update_run(run, status=content.status)


def _study(results: Results) -> _Run:
    job, last = results.job, len(results.epochs)
    goal = results.objective
    told = {
        "objective": f"{goal.metric} ({goal.mode})",
        "scheduler": job["scheduler"]["kind"],
        "searcher": job["searcher"]["kind"],
        "seed": job["seed"],
    }
    # One place for each parameter: one that several branches have is told once.
    told |= {f"space.{place.name}": domain_in_words(place.domain) for place in reversed(results.places)}
    times = [datetime.fromisoformat(session["started"]) for session in results.sessions]
    began = min(times, default=None)
    ended = _milliseconds(results.epochs["time"].max()) if last else 0
    metrics = dict(results.test or {})
    if results.best is not None:
        metrics[f"best.{metric_column(goal.metric)}"] = results.best.value
    tags = {
        "mlflow.note.content": str(job["description"]),
        "tunepipe.state": results.state,
        "tunepipe.trials": str(len(results.trials)),
        "tunepipe.epochs": str(last),
        "tunepipe.best_trial": results.best.trial_id if results.best else "",
    }
    start = _milliseconds(began) if began else ended
    values = [(name, float(value), ended, last) for name, value in metrics.items() if math.isfinite(value)]
    status = _STATUS.get(results.state, "FINISHED")
    return _Run(_short(told), values, _short(tags), status, start, max(start, ended))


def _trials(results: Results) -> list[tuple[str, _Run]]:
    configs, goal = configs_at_best(results), metric_column(results.objective.metric)
    rows = {str(trial): own for trial, own in results.epochs.groupby("trial_id", sort=False)}
    times = results.decisions.groupby("trial_id")["time"].agg(["min", "max"])
    found = []
    for record in results.trials.to_dict("records"):
        trial_id = str(record["trial_id"])
        own = rows.get(trial_id, results.epochs.head(0))
        metrics = _metrics(own)
        value = float(record["objective"])
        if math.isfinite(value):
            best = int(record["best_epoch"])
            metrics.append((f"best.{goal}", value, _milliseconds(own.loc[own["epoch"] == best, "time"].iloc[0]), best))
        decided = list(times.loc[trial_id]) if trial_id in times.index else []
        moments = [_milliseconds(time) for time in [*decided, *own["time"]]] or [0]
        tags = {
            "tunepipe.state": record["state"],
            "tunepipe.epochs": record["epochs"],
            "tunepipe.seconds": f"{record['seconds']:.3f}",
            "tunepipe.parent_trial": record["parent"],
            "tunepipe.error": record["error"],
        }
        status = _STATUS.get(str(record["state"]), "FINISHED")
        run = _Run(_short(configs[trial_id]), metrics, _short(tags), status, min(moments), max(moments))
        found.append((trial_id, run))
    return found


def _metrics(own: pd.DataFrame) -> list[tuple[str, float, int, int]]:
    """Every finite number of a trial's epochs; parameters too, where population based training has changed them."""
    shown = [*metric_columns(own.columns), "learning_rate"]
    if len(own) and own["segment"].nunique() > 1:
        configs = [name for name in own.columns if name.startswith("config_")]
        shown += [name for name in configs if pd.api.types.is_numeric_dtype(own[name])]
    at = list(zip(own["epoch"].astype(int).tolist(), own["time"].map(_milliseconds), strict=True))
    return [
        (str(name), float(value), time, epoch)
        for name in shown
        for (epoch, time), value in zip(at, own[name].tolist(), strict=True)
        if not pd.isna(value) and math.isfinite(value)
    ]


def _short(values: Mapping[str, Any] | Config) -> dict[str, str]:
    """What is there, as texts of a length that MLflow takes."""
    return {name: str(value)[:_LONGEST] for name, value in values.items() if not pd.isna(value)}


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
