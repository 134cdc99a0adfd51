"""Every table and every column: type, unit and meaning. The documentation of the tables is made from this file."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

__all__ = [
    "DECISIONS",
    "EPOCHS",
    "KEYS",
    "MEASURES",
    "SCHEMA_VERSION",
    "SECONDS",
    "TABLES",
    "TRIALS",
    "Column",
    "arrow_schema",
    "config_columns",
    "metric_column",
    "metric_columns",
]

SCHEMA_VERSION = 1
"""Of study.json and every part. Unknown ones are refused, older ones read."""

SECONDS = {phase: f"seconds_{phase}" for phase in ("build", "train", "evaluate", "checkpoint")}
"""What an epoch's time is spent on, and the column that has its seconds."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        name: Lower-case, needs no quotes in SQL.
        type: Arrow type.
        meaning: What it holds, in one sentence, with its unit.
    """

    name: str
    type: pa.DataType
    meaning: str


_text, _whole, _real, _time = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")

EPOCHS = (
    Column("study", _text, "Name of the study."),
    Column("session", _whole, "Number of the driver session that recorded the row, from 1."),
    Column("trial_id", _text, "The trial: the draw's index, zero-padded."),
    Column("attempt", _whole, "How often the trial was started: 1, and one more after each lost worker."),
    Column("segment", _whole, "Contiguous epochs under one config, from 1; an exploit opens the next."),
    Column("epoch", _whole, "Epochs the trial has trained, from 1; never goes back."),
    Column("model_epoch", _whole, "Age of the weights in epochs, from 1; an exploit takes over the donor's."),
    Column("learning_rate", _real, "The optimiser's learning rate at the end of the epoch."),
    Column("updates", _whole, "How often the optimiser has updated the weights; empty without an optimiser."),
    Column("parameters", _whole, "How many numbers the model's weights are; empty without a model."),
    Column(
        "seconds_build",
        _real,
        "Seconds to build and trace the model before this epoch; 0 after a trial's first.",
    ),
    Column("seconds_train", _real, "Seconds of training."),
    Column("seconds_evaluate", _real, "Seconds of validation."),
    Column("seconds_checkpoint", _real, "Seconds that training waited for checkpoints after this epoch."),
    Column("bytes_checkpoint", _whole, "Bytes of checkpoints whose writing ended with this epoch or just after it."),
    Column("time", _time, "When the epoch ended, by the worker's clock."),
    Column("node", _text, "Host name of the worker."),
)
"""One row for each epoch of each trial; beside these, every metric as a float and every parameter as config_<name>."""

MEASURES = ("parameters", "updates", "seconds_train", "seconds_evaluate")
"""Columns of `epochs` that an objective behind the first may name, beside the metrics: what a trial costs."""

TRIALS = (
    Column("study", _text, "Name of the study."),
    Column("trial_id", _text, "The trial: the draw's index, zero-padded."),
    Column("state", _text, "waiting, running, paused, stopped, completed or failed."),
    Column("objective", _real, "The first objective's value at its best epoch."),
    Column("best_epoch", _whole, "The epoch of that value; the earlier one where two tie."),
    Column("last_objective", _real, "The first objective's value at the last epoch."),
    Column("epochs", _whole, "Epochs trained."),
    Column("seconds", _real, "Seconds of building, training, evaluating and checkpointing."),
    Column("attempts", _whole, "How often the trial was started."),
    Column("parent", _text, "The trial whose weights were taken over last; empty if none."),
    Column("checkpoint", _text, "Path of the newest checkpoint within the study; empty if none is kept."),
    Column("error", _text, "Why the trial failed, with the traceback; empty if it did not."),
)
"""One row for each trial, derived from the others; beside these, config_<name> at the best epoch, else as drawn."""

DECISIONS = (
    Column("study", _text, "Name of the study."),
    Column("session", _whole, "Number of the driver session that decided, from 1."),
    Column("number", _whole, "Running number of the decision within the study, from 1."),
    Column("time", _time, "When it was decided, by the driver's clock."),
    Column("trial_id", _text, "The trial it is about."),
    Column("epoch", _whole, "The trial's epoch at that time; 0 before the first."),
    Column("kind", _text, "start, stop, pause, promote, exploit, explore, fail, retry, resume or finish."),
    Column("rung", _whole, "The rung in epochs, where the scheduler has rungs; for promote, the one it goes on from."),
    Column("cutoff", _real, "The value that had to be reached."),
    Column("value", _real, "The trial's objective that was compared."),
    Column("parent_trial", _text, "For exploit: whose weights were taken."),
    Column("parent_epoch", _whole, "For exploit: that trial's epoch."),
    Column("config_before", _text, "For exploit: its own config until then; for explore: the one taken over, as JSON."),
    Column(
        "config_after",
        _text,
        "For start and explore: the config from then on; for exploit: the one taken over, as JSON.",
    ),
    Column("reason", _text, "Why, in words."),
)
"""One row for each decision about a trial, with its reason."""

TABLES: Mapping[str, tuple[Column, ...]] = {"trials": TRIALS, "epochs": EPOCHS, "decisions": DECISIONS}

KEYS: Mapping[str, tuple[str, ...]] = {
    "trials": ("trial_id", "state", "objective", "epochs"),
    "epochs": ("session", "trial_id", "attempt", "epoch", "time"),
    "decisions": ("session", "number", "trial_id", "kind", "reason"),
}
"""Columns that every file of a table has had from the first version on: one without them is somebody else's."""


def metric_column(metric: str) -> str:
    """The column of `epochs` that holds a metric: its name in lower case, free of quotes, and no other column's.

    Args:
        metric: The metric's name, as Keras or the user's function has it.
    """
    name = re.sub(r"\W+", "_", metric, flags=re.ASCII).strip("_").lower()
    reserved = name in {column.name for column in EPOCHS} or name.startswith("config_")
    return name if re.match(r"[a-z_]", name) and not reserved else f"metric_{name}"


def metric_columns(columns: Iterable[str]) -> list[str]:
    """Of the columns of `epochs`, in their order, those that hold metrics.

    Args:
        columns: Names of columns.
    """
    fixed = {column.name for column in EPOCHS}
    return [name for name in columns if name not in fixed and not name.startswith("config_")]


def config_columns(space: Mapping[str, Any]) -> dict[str, pa.DataType]:
    """The columns config_<name> of a space.

    Args:
        space: Parameter name → domain or constant; where branches have parameters of their own, those too.

    Returns:
        Column name → type: float, int, bool or text; a choice of mixed types is text.
    """
    return {f"config_{name}": _type_of(domain) for name, domain in space.items()}


def arrow_schema(table: str, space: Mapping[str, Any], metrics: Sequence[str] = ()) -> pa.Schema:
    """The schema of a table of one study.

    Args:
        table: `trials`, `epochs` or `decisions`.
        space: The study's space.
        metrics: The metrics known so far; columns of `epochs`.
    """
    fields = [pa.field(column.name, column.type) for column in TABLES[table]]
    if table != "decisions":
        fields += [pa.field(name, type_) for name, type_ in config_columns(space).items()]
    if table == "epochs":
        fields += [pa.field(name, _real) for name in metrics]
    return pa.schema(fields, metadata={"schema_version": str(SCHEMA_VERSION)})


def _type_of(domain: Any) -> pa.DataType:
    values = getattr(domain, "values", None)
    if values is None:
        kind = getattr(domain, "kind", None)
        if kind is not None:
            return _whole if kind == "intuniform" else _real
        values = (domain,)
    types = {type(value) for value in values}
    if types == {bool}:
        return pa.bool_()
    if types == {int}:
        return _whole
    return _real if types <= {int, float} else _text
