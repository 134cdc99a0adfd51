"""When rows are written."""

import pytest

from pipeline.execution.driver.timing import FlushTiming


@pytest.mark.parametrize(
    ("started", "cost", "interval"),
    [(0.0, 0.0, 1.0), (500.0, 0.0, 10.0), (1e6, 0.0, 30.0), (0.0, 1.0, 50.0), (1e6, 1.0, 50.0), (1e6, 60.0, 300.0)],
)
def test_a_flush_waits_for_a_share_of_the_session_and_of_the_last_flush(
    started: float, cost: float, interval: float
) -> None:
    now = 0.0
    timing = FlushTiming(lambda: now)
    now = started
    with timing.flushing():
        now += cost
    now += 0.9 * interval
    assert not timing.due
    now += 0.2 * interval
    assert timing.due
