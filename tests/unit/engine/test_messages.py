"""Assignments and reports are sent as text and bytes."""

import math

from hypothesis import given, strategies as st

from pipeline.engine.messages import Assignment, EpochRow, ProgressReport

numbers = st.floats(allow_nan=False)
scalars = st.one_of(st.booleans(), st.integers(), numbers, st.text(max_size=5))
rows = st.builds(
    EpochRow,
    attempt=st.integers(1, 4),
    segment=st.integers(1, 9),
    epoch=st.integers(1, 99),
    model_epoch=st.integers(1, 99),
    metrics=st.dictionaries(st.text(max_size=8), numbers, max_size=3),
    learning_rate=st.none() | numbers,
    seconds_build=numbers,
    seconds_train=numbers,
    seconds_evaluate=numbers,
    seconds_checkpoint=numbers,
    time=numbers,
    node=st.text(max_size=5),
)


@given(st.dictionaries(st.text(max_size=5), scalars, max_size=4), st.integers(0, 2**31))
def test_an_assignment_comes_back_equal(config, seed):
    """An assignment equals its copy after a conversion to text and back, whatever its config holds."""
    assignment = Assignment("0001", config, seed, parent_trial="0000", parent_epoch=3)
    assert Assignment.from_json(assignment.to_json()) == assignment


@given(st.lists(rows, max_size=4), st.none() | st.text(max_size=20))
def test_a_report_comes_back_equal(found, failure):
    """A report equals its copy after a conversion to bytes and back, to the last digit."""
    report = ProgressReport(
        tuple(found), 7, last=True, failure=failure, checkpoints={3: 10, 7: 20}, winner={"test_loss": 0.1}
    )
    assert ProgressReport.from_bytes(report.to_bytes()) == report


def test_a_report_carries_nan():
    """A metric that is NaN stays NaN when its report is converted to bytes and back."""
    row = EpochRow(1, 1, 1, 1, {"loss": math.nan}, None, 0, 0, 0, 0, 0, 0, "n")
    assert math.isnan(ProgressReport.from_bytes(ProgressReport((row,)).to_bytes()).rows[0].metrics["loss"])
