"""Which column of the table `epochs` holds which metric: a column stays that of its metric over all sessions."""

from collections.abc import Iterable
from operator import itemgetter

import pyarrow as pa

from pipeline.storage.metric_column import assign_columns, metric_columns, metric_field, metric_names


class MetricColumns:
    """The columns of metrics."""

    def __init__(self, earlier: pa.Schema) -> None:
        names = metric_names(earlier)
        self._columns = {names.get(column, column): column for column in metric_columns(earlier.names)}

    def add(self, metrics: Iterable[str]) -> None:
        """Assign columns to metrics that have none."""
        self._columns = assign_columns(metrics, self._columns)

    def of(self, metric: str) -> str:
        """The column of a metric that was added."""
        return self._columns[metric]

    def fields(self) -> list[pa.Field]:
        """The columns of all metrics as Arrow fields, by name."""
        return [metric_field(metric, column) for metric, column in sorted(self._columns.items(), key=itemgetter(1))]
