"""Assignments and reports on their way between processes."""

import math

from hypothesis import given, strategies as st

from pipeline.engine.messages import Assignment, Report
from tests.unit.engine.play import row

numbers = st.floats(allow_nan=False)
scalars = st.one_of(st.booleans(), st.integers(), numbers, st.text(max_size=5))
rows = st.builds(row, st.integers(1, 99), numbers, parameters=st.none() | st.integers(0, 9))


@given(st.dictionaries(st.text(max_size=5), scalars, max_size=4), st.integers(0, 2**31))
def test_an_assignment_comes_back_equal(config, seed):
    assignment = Assignment("0001", config, seed, parent_trial="0000", parent_epoch=3)
    assert Assignment.from_json(assignment.to_json()) == assignment


@given(st.lists(rows, max_size=4), st.none() | st.text(max_size=20))
def test_a_report_comes_back_equal(found, failure):
    report = Report(found, last=True, failure=failure, checkpoints=[["0003", 10, 7]], winner={"a": 0.1}, data=[])
    assert Report.from_bytes(report.to_bytes()) == report


def test_a_report_carries_nan():
    found = Report.from_bytes(Report([row(3, math.nan)]).to_bytes())
    assert math.isnan(found.rows[0]["metrics"]["score"])
    assert (found.epoch, Report().epoch) == (3, 0)
