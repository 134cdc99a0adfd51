"""Every table and every column: type, unit and meaning; and tables as Parquet. docs/tables.md is generated from this.

The columns of metrics have names that need no quotes in SQL, unless they are its words.
"""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.space import column_type

SCHEMA_VERSION = 1
"""The version of study.json and of every part. Other versions are refused."""

BROKEN = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError)
"""What Arrow raises for bytes that are not Parquet; the error depends on the kind of damage."""

_DICTIONARY = 2**17
"""Bytes of a column's different values that are listed in a group of rows: a column of other values is stored as it is,
which takes less than a list of nearly all of them."""

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
    Column(
        "learning_rate", _real, "That of the model's compiled optimiser at the end of the epoch; null without a model."
    ),
    Column("updates", _whole, "Number of updates by that optimiser so far; null without an optimiser."),
    Column("parameters", _whole, "Number of weights of the model; null without a model."),
    Column("seconds_build", _real, "Seconds to build and trace the model; 0 after the trial's first epoch."),
    Column("seconds_train", _real, "Seconds of training."),
    Column("seconds_evaluate", _real, "Seconds of validation."),
    Column("seconds_checkpoint", _real, "Seconds that training waited for checkpoints after this epoch."),
    Column("bytes_checkpoint", _whole, "Bytes of the checkpoints that were written during this epoch or after it."),
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
    Column("state", _text, "running, paused, stopped, completed or failed."),
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
        "start, stop, pause, promote, exploit, explore, fail, retry, resume or complete; for the whole study stop "
        "or budget.",
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

STUDY_DECISIONS = ("stop", "budget")
"""Kinds of decisions that may be about the whole study: their rows may have no trial."""

TABLES: Mapping[str, tuple[Column, ...]] = {"trials": TRIALS, "epochs": EPOCHS, "decisions": DECISIONS}

KEYS: Mapping[str, tuple[str, ...]] = {
    "epochs": ("session", "trial_id", "attempt", "epoch", "time"),
    "decisions": ("session", "number", "trial_id", "kind", "reason"),
}
"""Columns in which each row has a value, except decisions about the whole study, which have no trial."""


_FIXED = frozenset(column.name for column in EPOCHS)


def config_columns(space: Mapping[str, Any]) -> dict[str, pa.DataType]:
    return {f"config_{name}": column_type(domain) for name, domain in space.items()}


def arrow_schema(table: str, space: Mapping[str, Any], metrics: Iterable[str] = ()) -> pa.Schema:
    """The schema of a table; `metrics` are columns of metrics in `epochs`."""
    fields = [pa.field(column.name, column.type) for column in TABLES[table]]
    if table != "decisions":
        fields += [pa.field(name, type_) for name, type_ in config_columns(space).items()]
    if table == "epochs":
        fields += [pa.field(metric, _real) for metric in metrics]
    return pa.schema(fields, metadata={"schema_version": str(SCHEMA_VERSION)})


def metric_column(metric: str) -> str:
    """The column of a metric: its name in lower case, with `_` for what a column cannot have."""
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", metric).lower()).strip("_")
    taken = name in _FIXED or name.startswith("config_")
    if name.isidentifier() and not taken and name == unicodedata.normalize("NFKC", name).lower():
        return name
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    return f"metric_{plain or hashlib.sha256(metric.encode(errors='surrogatepass')).hexdigest()[:6]}"


def metric_columns(columns: Iterable[str]) -> list[str]:
    return [name for name in columns if name not in _FIXED and not name.startswith("config_")]


def parquet_bytes(schema: pa.Schema, batches: Iterable[pa.RecordBatch | pa.Table]) -> memoryview:
    sink = pa.BufferOutputStream()
    write_parquet(schema, batches, sink)
    return memoryview(sink.getvalue())


def write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch | pa.Table], sink: Any) -> None:
    """Write rows as one Parquet file, compressed with zstd; only one batch of them is in memory at a time."""
    options: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True}
    with pq.ParquetWriter(sink, schema, dictionary_pagesize_limit=_DICTIONARY, **options) as writer:
        for batch in batches:
            writer.write(batch)


def read_parquet(content: bytes, name: str, columns: Collection[str] | None = None) -> pa.Table:
    """The rows of a Parquet file; of its columns all, or those among some."""
    try:
        # A file's own reader: that of data sets, which `read_table` uses, is one more import for each command.
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        table = file.read(None if columns is None else [name for name in file.schema_arrow.names if name in columns])
    except BROKEN as error:
        # Never skipped: if it is a damaged part of the study, the results would be wrong without a message.
        raise StorageError(
            f"{name} is not a complete Parquet file: {str(error).rstrip('.')}. If another program wrote it, move it "
            "out of the study, so that the rest is readable. If tunepipe wrote it, restore it."
        ) from None
    version = (table.schema.metadata or {}).get(b"schema_version", b"1").decode(errors="replace")
    if version != str(SCHEMA_VERSION):
        raise StorageError(
            f"{name} has schema version {version}; this tunepipe reads up to {SCHEMA_VERSION}. "
            "Read it with the tunepipe that wrote it, or with a newer one."
        )
    return table
