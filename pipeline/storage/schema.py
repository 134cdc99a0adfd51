"""Every table and every column: type, unit and meaning. docs/tables.md is generated from this file.

The columns of metrics have names that need no quotes in SQL, unless they are its words; the name of the metric is in
the column's metadata.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.space import column_type

SCHEMA_VERSION = 1
"""The version of study.json and of every part. Other versions are refused."""

SECONDS = {phase: f"seconds_{phase}" for phase in ("build", "train", "evaluate", "checkpoint")}
"""The phases of an epoch, and the column with the seconds of each."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: pa.DataType
    meaning: str


_text, _whole, _real, _time = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")

EPOCHS = (
    Column("study", _text, "Name of the study."),
    Column("session", _whole, "The driver session that recorded the row, from 1."),
    Column("trial_id", _text, "The trial: the index of its draw, zero-padded."),
    Column("attempt", _whole, "Number of starts of the trial so far: 1, plus one for each lost worker."),
    Column("segment", _whole, "Number of the part of the trial under one config, from 1; an exploit starts the next."),
    Column("epoch", _whole, "Epochs that the trial has trained, from 1; never decreases."),
    Column("model_epoch", _whole, "Age of the weights in epochs, from 1; an exploit copies the donor's."),
    Column("learning_rate", _real, "The optimiser's at the end of the epoch; of several, that of the first in use."),
    Column("updates", _whole, "Number of updates by that optimiser so far; null without an optimiser."),
    Column("parameters", _whole, "Number of weights of the model; null without a model."),
    Column("seconds_build", _real, "Seconds to build and trace the model; 0 after the trial's first epoch."),
    Column("seconds_train", _real, "Seconds of training."),
    Column("seconds_evaluate", _real, "Seconds of validation."),
    Column("seconds_checkpoint", _real, "Seconds that training waited for checkpoints after this epoch."),
    Column("bytes_checkpoint", _whole, "Bytes of the checkpoints that were finished during this epoch or after it."),
    Column("time", _time, "When the epoch ended, by the worker's clock."),
    Column("node", _text, "Host name of the worker."),
    Column("trained_with", _text, "`compiled epochs`, or Keras' fit and why; null without a model."),
    Column("phase", _whole, "Number of the job's phases that had begun; 0 before the first, null without a model."),
)
"""One row for each epoch of each trial; also each metric as a float and each hyperparameter as config_<name>."""

MEASURES = ("parameters", "updates", "seconds_train", "seconds_evaluate")
"""Columns of `epochs` that objectives after the first may name, in addition to metrics: the cost of a trial."""

TRIALS = (
    Column("study", _text, "Name of the study."),
    Column("trial_id", _text, "The trial: the index of its draw, zero-padded."),
    Column("state", _text, "waiting, running, paused, stopped, completed or failed."),
    Column("objective", _real, "The first objective's value at its best epoch."),
    Column("best_epoch", _whole, "The epoch of that value; the earliest one if several tie."),
    Column("violation", _real, "How far that epoch is beyond the bounds, as a sum of shares of each; 0 within them."),
    Column("last_objective", _real, "The first objective's value at the last epoch."),
    Column("epochs", _whole, "Epochs trained."),
    Column("seconds", _real, "Seconds of building, training, evaluating and checkpointing."),
    Column("attempts", _whole, "Number of times that the trial was started."),
    Column("parent", _text, "The trial whose weights it copied last; null if none."),
    Column("checkpoint", _text, "Path of the newest checkpoint within the study; null if none is kept."),
    Column("error", _text, "Why the trial failed, with the traceback; null if it did not."),
)
"""One row for each trial, derived from the others; in addition, config_<name> at the best epoch, or as drawn."""

DECISIONS = (
    Column("study", _text, "Name of the study."),
    Column("session", _whole, "The driver session that made the decision, from 1."),
    Column("number", _whole, "Number of the decision within the study, from 1."),
    Column("time", _time, "When the decision was made, by the driver's clock."),
    Column("trial_id", _text, "The trial that the decision is about; null if it is about the whole study."),
    Column("epoch", _whole, "The trial's epoch at that time; 0 before the first, null without a trial."),
    Column(
        "kind",
        _text,
        "start, stop, pause, promote, exploit, explore, fail, retry, resume or finish; for the whole study pause, "
        "resume or budget.",
    ),
    Column("rung", _whole, "The rung, in epochs; for promote, the one that the trial leaves. Null without rungs."),
    Column("cutoff", _real, "The value that the trial had to reach."),
    Column("value", _real, "The trial's objective at the comparison."),
    Column("parent_trial", _text, "For exploit: the trial whose weights were copied."),
    Column("parent_epoch", _whole, "For exploit: that trial's epoch."),
    Column("config_before", _text, "For exploit: the config until then; for explore: the copied one, as JSON."),
    Column("config_after", _text, "For start and explore: the config from then on; for exploit: the copied one."),
    Column("reason", _text, "The reason, in words."),
)
"""One row for each decision about a trial, or of a user about the whole study, with its reason."""

STUDY_DECISIONS = ("pause", "resume", "budget")
"""Kinds of decisions that may be about the whole study: their rows may have no trial."""

TABLES: Mapping[str, tuple[Column, ...]] = {"trials": TRIALS, "epochs": EPOCHS, "decisions": DECISIONS}

KEYS: Mapping[str, tuple[str, ...]] = {
    "trials": ("trial_id", "state", "objective", "epochs"),
    "epochs": ("session", "trial_id", "attempt", "epoch", "time"),
    "decisions": ("session", "number", "trial_id", "kind", "reason"),
}
"""Columns that every file of a table has; a file without them is not tunepipe's.

Every row has a value in each of them, except decisions about the whole study, which have no trial.
"""


def config_columns(space: Mapping[str, Any]) -> dict[str, pa.DataType]:
    return {f"config_{name}": column_type(domain) for name, domain in space.items()}


def arrow_schema(table: str, space: Mapping[str, Any], metrics: Sequence[str | pa.Field] = ()) -> pa.Schema:
    fields = [pa.field(column.name, column.type) for column in TABLES[table]]
    if table != "decisions":
        fields += [pa.field(name, type_) for name, type_ in config_columns(space).items()]
    if table == "epochs":
        fields += [metric if isinstance(metric, pa.Field) else pa.field(metric, _real) for metric in metrics]
    return pa.schema(fields, metadata={"schema_version": str(SCHEMA_VERSION)})


_METRIC = b"metric"
"""The key of the metric's name in a column's metadata."""

_DIGEST = 6

_FIXED = frozenset(column.name for column in EPOCHS)


def metric_column(metric: str) -> str:
    """The column of `epochs` for a metric, unless another metric of the study has that column.

    It is the metric's name in lower case, with `_` for characters that a column cannot have; letters of all scripts
    remain.
    """
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", metric).lower()).strip("_")
    taken = name in _FIXED or name.startswith("config_")
    if name.isidentifier() and not taken and name == unicodedata.normalize("NFKC", name).lower():
        return name
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    return f"metric_{plain or _digest(metric)}"


def assign_columns(metrics: Iterable[str], assigned: Mapping[str, str]) -> dict[str, str]:
    """Columns for metrics of one study, no two the same; those that are assigned stay."""
    columns = dict(assigned)
    for metric in sorted(set(metrics) - columns.keys()):
        column = metric_column(metric)
        while column in columns.values():
            column = f"{column}_{_digest(metric)}"
        columns[metric] = column
    return columns


def column_of(metric: str, names: Mapping[str, str]) -> str:
    """The column of `epochs` that holds a metric of a study."""
    return next((column for column, name in names.items() if name == metric), metric_column(metric))


def metric_field(metric: str, column: str | None = None) -> pa.Field:
    metadata = {_METRIC: metric.encode(errors="surrogatepass")}
    return pa.field(column or metric_column(metric), _real, metadata=metadata)


def metric_names(schema: pa.Schema) -> dict[str, str]:
    """The names of metrics whose column has another name, by column."""
    metrics = [field for field in schema if _METRIC in (field.metadata or {})]
    names = {field.name: field.metadata[_METRIC].decode(errors="surrogatepass") for field in metrics}
    return {column: name for column, name in names.items() if name != column}


def metric_columns(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if name not in _FIXED and not name.startswith("config_")]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
