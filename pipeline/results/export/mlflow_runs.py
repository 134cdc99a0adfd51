"""A study and its trials as runs of MLflow: params, metrics by epoch, tags, status and times. MLflow is not needed."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from pipeline.results.analysis.domains import domain_in_words
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best
from pipeline.results.views.provenance import provenance_in_words
from pipeline.space import scalar
from pipeline.storage.schema import metric_column, metric_columns

_STATUS = {"failed": "FAILED", "running": "RUNNING", "paused": "RUNNING", "waiting": "SCHEDULED"}
"""MLflow's status for the state of a trial or a study; every other state is FINISHED, including an early stop."""

_ALLOWED = re.compile(r"\w[\w.\- ]*(/\w[\w.\- ]*)*")
"""Names of metrics that MLflow accepts."""

_LONGEST = 5000
"""Characters of a tag or a param; MLflow refuses longer ones."""


class MetricValue(NamedTuple):
    """A value of a metric, with the fields of MLflow's `Metric` in its order."""

    name: str
    value: float
    timestamp: int
    step: int


@dataclass(frozen=True, slots=True)
class RunContent:
    """The content of a run of MLflow."""

    params: Mapping[str, str]
    metrics: Sequence[MetricValue]
    tags: Mapping[str, str]
    status: str
    start: int
    end: int

    @property
    def digest(self) -> str:
        """A hash of the content, by which an export recognises a run that is up to date."""
        content = [self.params, self.metrics, self.tags, self.status, self.start, self.end]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def study_run(results: Results) -> RunContent:
    """A study's run: its job as params, the winner's metrics, and its state and environment as tags."""
    job, epochs = results.job, len(results.epochs)
    objective = results.objective
    params = {
        "objective": f"{objective.metric} ({objective.mode})",
        "scheduler": job["scheduler"]["kind"],
        "searcher": job["searcher"]["kind"],
        "seed": job["seed"],
    }
    # The first branch that has a parameter describes it: several branches may have one of the same name.
    params |= {
        f"space.{parameter.name}": domain_in_words(parameter.domain) for parameter in reversed(results.parameters)
    }
    end = _milliseconds(results.epochs["time"].max()) if epochs else 0
    starts = [_milliseconds(datetime.fromisoformat(session["started"])) for session in results.sessions]
    start = min(starts, default=end)
    metrics = {_metric_name(name): value for name, value in (results.test or {}).items()}
    if results.best is not None:
        metrics[f"best.{metric_column(objective.metric)}"] = results.best.value
    tags = {
        "mlflow.note.content": str(job["description"]),
        "tunepipe.state": results.state,
        "tunepipe.trials": str(len(results.trials)),
        "tunepipe.epochs": str(epochs),
        "tunepipe.best_trial": results.best.trial_id if results.best else "",
        **_environment_tags(results),
    }
    return RunContent(
        params=_texts(params),
        metrics=[
            MetricValue(name, float(value), end, epochs) for name, value in metrics.items() if math.isfinite(value)
        ],
        tags=_texts(tags),
        status=_STATUS.get(results.state, "FINISHED"),
        start=start,
        end=max(start, end),
    )


def _environment_tags(results: Results) -> dict[str, str]:
    """The newest session's command, commit, versions, machine and seed."""
    recorded = [session for session in results.sessions if session.get("provenance")]
    if not recorded:
        return {}
    ((_, lines),) = provenance_in_words(recorded[-1:])
    texts: dict[str, list[str]] = {}
    for label, text in lines:
        texts.setdefault(f"tunepipe.{label.replace(' ', '_')}", []).append(text)
    tags = {name: "; ".join(parts) for name, parts in texts.items()}
    git = recorded[-1]["provenance"]["git"]
    return tags | ({"mlflow.source.git.commit": git["commit"]} if git else {})


def trial_runs(results: Results) -> dict[str, RunContent]:
    """The run of each trial, by its id: its config as params, its epochs as metrics, its state as tags."""
    configs = configs_at_best(results)
    epochs_of = {str(trial_id): epochs for trial_id, epochs in results.epochs.groupby("trial_id", sort=False)}
    decision_times = results.decisions.groupby("trial_id")["time"].agg(["min", "max"])
    best_metric = f"best.{metric_column(results.objective.metric)}"
    runs = {}
    for trial in results.trials.to_dict("records"):
        trial_id = str(trial["trial_id"])
        epochs = epochs_of.get(trial_id, results.epochs.head(0))
        metrics = _metric_values(epochs)
        if math.isfinite(best := float(trial["objective"])):
            best_epoch = int(trial["best_epoch"])
            best_time = epochs.loc[epochs["epoch"] == best_epoch, "time"].iloc[0]
            metrics.append(MetricValue(best_metric, best, _milliseconds(best_time), best_epoch))
        decided = list(decision_times.loc[trial_id]) if trial_id in decision_times.index else []
        times = [_milliseconds(time) for time in [*decided, *epochs["time"]]] or [0]
        tags = {
            "tunepipe.state": trial["state"],
            "tunepipe.epochs": trial["epochs"],
            "tunepipe.seconds": f"{trial['seconds']:.3f}",
            "tunepipe.parent_trial": trial["parent"],
            "tunepipe.error": trial["error"],
        }
        runs[trial_id] = RunContent(
            params=_texts({name: scalar(value) for name, value in configs[trial_id].items()}),
            metrics=metrics,
            tags=_texts(tags),
            status=_STATUS.get(str(trial["state"]), "FINISHED"),
            start=min(times),
            end=max(times),
        )
    return runs


def _metric_values(epochs: pd.DataFrame) -> list[MetricValue]:
    """Every finite number of a trial's epochs; parameters too, where population based training has changed them."""
    columns = [*metric_columns(epochs.columns), "learning_rate"]
    if len(epochs) and epochs["segment"].nunique() > 1:
        parameters = [name for name in epochs.columns if name.startswith("config_")]
        columns += [name for name in parameters if pd.api.types.is_numeric_dtype(epochs[name])]
    steps = list(zip(epochs["epoch"].astype(int).tolist(), epochs["time"].map(_milliseconds), strict=True))
    return [
        MetricValue(str(name), float(value), time, epoch)
        for name in columns
        for (epoch, time), value in zip(steps, epochs[name].tolist(), strict=True)
        if not pd.isna(value) and math.isfinite(value)
    ]


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as texts that MLflow accepts, without missing ones."""
    return {name: str(value)[:_LONGEST] for name, value in values.items() if not pd.isna(value)}


def _metric_name(metric: str) -> str:
    """A metric's name, or that of a column where MLflow refuses it: it allows no brackets or @."""
    return metric if _ALLOWED.fullmatch(metric) else metric_column(metric)


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
