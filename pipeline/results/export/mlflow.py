"""A study as MLflow keeps it: a parent run for the study, and below it a run for each trial."""

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

import pandas as pd

from pipeline.errors import StorageError, UsageError
from pipeline.results.analysis.domains import domain_in_words
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best
from pipeline.results.views.provenance import provenance_in_words
from pipeline.sanitize import sanitize
from pipeline.space.column_values import scalar
from pipeline.storage import Store
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.study import layout
from pipeline.study.output_paths import check_output_folder

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["Exported", "check_mlflow", "write_mlflow"]

_STATUS = {"failed": "FAILED", "running": "RUNNING", "paused": "RUNNING", "waiting": "SCHEDULED"}
"""MLflow's name of a trial's or a study's state; any other state is FINISHED, also an early stop."""

_METRICS, _PARAMS = 900, 100
"""The most entries that MLflow accepts at once; a thousand of all kinds together."""

_LONGEST = 5000
"""Characters of a tag or a param; what is longer MLflow refuses."""

_MODEL_TAG = "tunepipe.model"
_PARTS_OF_MODEL = ("architecture.json", "model.weights.h5")
"""Files of an export that are in model.keras too."""

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # data is sent nowhere but to the named place
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # the default of 7 takes minutes where no server answers
}
"""Environment variables during an export; those that the user has set keep their values."""


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

    Writing it again adds what is new: a trial that is there as it is now is left alone, one that has gone on since
    gets its new epochs, and one whose config or earlier epochs have changed is replaced. The study is recognised by
    where it lies. Its newest session's environment becomes tags, and the winner's model, once it is exported, an
    artifact. Environment variables and the level of MLflow's logger are afterwards as they were before.

    Args:
        results: A study's results.
        place: MLflow's tracking URI, or a folder for a new database, created if it does not exist.

    Returns:
        Where it was written, and how many trials.

    Raises:
        UsageError: MLflow is not installed.
        StorageError: The place cannot be written, or is within a study.
    """
    check_mlflow()
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    with _settings():
        try:
            with _quiet_logger():
                uri, files = _located(place)
                client = MlflowClient(tracking_uri=uri)
                known = client.get_experiment_by_name(results.name)
                experiment = (
                    known.experiment_id if known else client.create_experiment(results.name, artifact_location=files)
                )
                written, kept = _write(client, experiment, results)
        except (MlflowException, OSError) as error:
            reason = sanitize(str(error)).strip().partition("\n")[0].rstrip(".")
            raise StorageError(
                f"MLflow at {place}: {reason}. Name a tracking URI (http://HOST:5000, sqlite:///FILE) or a folder."
            ) from None
    return Exported(uri, written, kept)


def check_mlflow() -> None:
    """Import MLflow.

    Raises:
        UsageError: It is not installed.
    """
    with _settings():
        try:
            import mlflow.tracking  # noqa: F401
        except ImportError:
            raise UsageError("MLflow needs a package that is not installed: `pip install mlflow-skinny`.") from None


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
def _quiet_logger() -> Iterator[None]:
    """MLflow's notes on each step of a database's creation are left out; its import has set the logger's level."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _located(place: str) -> tuple[str, str | None]:
    """The tracking URI, and where files of runs go; None for where the server puts them."""
    if (database := re.match(r"sqlite:///(.+)", place)) is not None:
        check_output_folder(Path(database[1]))
    if "://" in place or place.partition(":")[0] == "databricks":
        return place, None
    folder = Path(place).expanduser().resolve()
    check_output_folder(folder)
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
        news = None if old is None else _news(client, old, trial)
        if old is not None and news is not None:
            run = old.info.run_id
        else:
            if old is not None:
                client.delete_run(old.info.run_id)
            tags = {"mlflow.parentRunId": parent, "tunepipe.trial": trial_id}
            run = client.create_run(experiment, trial.began, tags, f"{results.name} {trial_id}").info.run_id
        _log(client, run, trial, trial.metrics if news is None else news)
        written += 1
    client.log_batch(parent, tags=[RunTag(name, value) for name, value in study.tags.items()])
    _log_model(client, parent, results)
    _end(client, parent, study)
    return written, kept


def _news(client: "MlflowClient", old: Any, trial: _Run) -> list[tuple[str, float, int, int]] | None:
    """The values of a trial that its run does not have yet; None where the run has what is no longer true."""
    if any(trial.params.get(name) != value for name, value in old.data.params.items()):
        return None
    wanted = {(name, step): value for name, value, _, step in trial.metrics}
    known = {
        (name, one.step): one.value
        for name in old.data.metrics
        for one in client.get_metric_history(old.info.run_id, name)
    }
    # A best value of before stays in the history of that metric.
    if any(wanted.get(at) != value for at, value in known.items() if not at[0].startswith("best.")):
        return None
    return [one for one in trial.metrics if known.get((one[0], one[3])) != one[1]]


def _log_model(client: "MlflowClient", parent: str, results: Results) -> None:
    """The exported winner as an artifact of the study's run; once for each winner."""
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


def _log(client: "MlflowClient", run: str, trial: _Run, metrics: Sequence[tuple[str, float, int, int]]) -> None:
    from mlflow.entities import Metric, RunTag

    _log_params(client, run, trial)
    for first in range(0, len(metrics), _METRICS):
        client.log_batch(run, metrics=[Metric(*one) for one in metrics[first : first + _METRICS]])
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
    params = {
        "objective": f"{goal.metric} ({goal.mode})",
        "scheduler": job["scheduler"]["kind"],
        "searcher": job["searcher"]["kind"],
        "seed": job["seed"],
    }
    # One place for each parameter: one that several branches have is written once.
    params |= {f"space.{place.name}": domain_in_words(place.domain) for place in reversed(results.places)}
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
        **_environment(results),
    }
    start = _milliseconds(began) if began else ended
    values = [(name, float(value), ended, last) for name, value in metrics.items() if math.isfinite(value)]
    status = _STATUS.get(results.state, "FINISHED")
    return _Run(_short(params), values, _short(tags), status, start, max(start, ended))


def _environment(results: Results) -> dict[str, str]:
    """What the newest session ran in: its command, commit, versions, machine and seed."""
    recorded = [session for session in results.sessions if session.get("provenance")]
    if not recorded:
        return {}
    ((_, lines),) = provenance_in_words(recorded[-1:])
    tags: dict[str, list[str]] = {}
    for label, text in lines:
        tags.setdefault(f"tunepipe.{label.replace(' ', '_')}", []).append(text)
    found = {name: "; ".join(texts) for name, texts in tags.items()}
    git = recorded[-1]["provenance"]["git"]
    return found | ({"mlflow.source.git.commit": git["commit"]} if git else {})


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
        config = {name: scalar(value) for name, value in configs[trial_id].items()}
        run = _Run(
            _short(config),
            metrics,
            _short(tags),
            status,
            min(moments),
            max(moments),
        )
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


def _short(values: Mapping[str, Any]) -> dict[str, str]:
    """What is there, as texts of a length that MLflow takes."""
    return {name: str(value)[:_LONGEST] for name, value in values.items() if not pd.isna(value)}


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
