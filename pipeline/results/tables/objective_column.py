"""From which column of `epochs` an objective is read."""

from collections.abc import Callable, Mapping

from pipeline.storage.metric_column import column_of
from pipeline.storage.schema import MEASURES


def choose_objective_column(metric: str, names: Mapping[str, str], has_values: Callable[[str], bool]) -> str:
    """The column of `epochs` that an objective is read from: the metric's, or the measured one of that name."""
    column = column_of(metric, names)
    # Earlier versions wrote an empty column for a metric that no trial reports.
    return metric if metric in MEASURES and not has_values(column) else column
