"""The columns of metrics in the table `epochs`: names that need no quotes in SQL, and the names of the metrics."""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping

import pyarrow as pa

from pipeline.storage.schema import EPOCHS

_METRIC = b"metric"
"""The key of the metric's name in a column's metadata."""

_DIGEST = 6

_RESERVED = frozenset(
    """all analyse analyze and anti any array as asc asof asymmetric at authorization binary both by case cast check
    collate collation column columns concurrently constraint create cross default deferrable desc describe distinct do
    else end except false fetch for foreign freeze from full generated glob group having ilike in initially inner
    intersect into is isnull join lambda lateral leading left like limit map natural not notnull null offset on only or
    order outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify references returning right
    select semi show similar some struct summarize symmetric table tablesample then to trailing true try_cast tuple
    union unique unpack unpivot using variadic verbose when where window with""".split()  # noqa: SIM905 (a list of strings would be three times as long)
)
"""Words that need quotes as a column's name in DuckDB's SQL."""


def metric_column(metric: str) -> str:
    """The column of `epochs` for a metric, unless another metric of the study has that column.

    It is the metric's name in lower case, with `_` for characters that a column cannot have; letters of all scripts
    remain.
    """
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", metric).lower()).strip("_")
    taken = name in _RESERVED or name.startswith("config_") or name in {column.name for column in EPOCHS}
    if name.isidentifier() and not taken and name == unicodedata.normalize("NFKC", name).lower():
        return name
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    return f"metric_{plain}" if plain else f"metric_{_digest(metric)}"


def assign_columns(metrics: Iterable[str], assigned: Mapping[str, str]) -> dict[str, str]:
    """Columns for metrics of one study, no two the same."""
    columns = dict(assigned)
    taken = set(columns.values())
    for metric in sorted(set(metrics) - columns.keys()):
        plain = metric_column(metric)
        column = f"{plain}_{_digest(metric)}" if plain in taken else plain
        while column in taken:
            column = f"{column}_{_digest(column)}"
        columns[metric] = column
        taken.add(column)
    return columns


def column_of(metric: str, names: Mapping[str, str]) -> str:
    """The column of `epochs` that holds a metric of a study."""
    return next((column for column, name in names.items() if name == metric), metric_column(metric))


def stored_column(metric: str, columns: Collection[str]) -> str:
    """The column in which a stored table has an objective: that of `metric_column`, or that of earlier versions."""
    column, earlier = metric_column(metric), _earlier_column(metric)
    return earlier if column not in columns and earlier in columns else column


def metric_field(metric: str, column: str | None = None) -> pa.Field:
    """The field of a metric's column; its metadata contain the metric's name."""
    metadata = {_METRIC: metric.encode(errors="surrogatepass")}
    return pa.field(column or metric_column(metric), pa.float64(), metadata=metadata)


def metric_names(schema: pa.Schema) -> dict[str, str]:
    """The names of metrics whose column has another name, by column."""
    metrics = [field for field in schema if _METRIC in (field.metadata or {})]
    names = {field.name: field.metadata[_METRIC].decode(errors="surrogatepass") for field in metrics}
    return {column: name for column, name in names.items() if name != column}


def metric_columns(columns: Iterable[str]) -> list[str]:
    """The columns of `epochs` that hold metrics, in their order."""
    fixed = {column.name for column in EPOCHS}
    return [name for name in columns if name not in fixed and not name.startswith("config_")]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]


def _earlier_column(metric: str) -> str:
    """The column of versions that kept ASCII letters alone."""
    name = re.sub(r"\W+", "_", metric, flags=re.ASCII).strip("_").lower()
    reserved = name in {column.name for column in EPOCHS} or name.startswith("config_")
    return name if re.match(r"[a-z_]", name) and not reserved else f"metric_{name}"
