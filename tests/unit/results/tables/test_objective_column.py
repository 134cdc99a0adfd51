"""The column of an objective: the metric's own, or the measured one of its name."""

import pytest

from pipeline.results.tables.objective_column import choose_objective_column

NAMES = {"metric_2fa1": "seconds_train", "metric_77b0": "f1 score"}


@pytest.mark.parametrize(
    ("metric", "full", "expected"),
    [
        ("val_loss", (), "val_loss"),
        ("f1 score", (), "metric_77b0"),
        ("seconds_train", ("metric_2fa1", "seconds_train"), "metric_2fa1"),
        ("seconds_train", ("seconds_train",), "seconds_train"),
        ("parameters", ("parameters",), "parameters"),
    ],
)
def test_the_measured_column_is_read_where_trials_report_no_such_metric(
    metric: str, full: tuple[str, ...], expected: str
) -> None:
    """An objective is read from the metric's own column, or from the measured one if that is absent or empty."""
    assert choose_objective_column(metric, NAMES, full.__contains__) == expected
