"""When rows are written."""

import pytest

from pipeline.execution.driver.timing import FlushTiming


def test_flushes_are_frequent_at_first_and_at_most_half_a_minute_apart() -> None:
    now = 0.0
    timing = FlushTiming(lambda: now)
    for started, interval in ((0.0, 1.0), (500.0, 10.2), (1e6, 30.0)):
        now = started
        with timing.flushing():
            pass
        now = started + 0.9 * interval
        assert not timing.due
        now = started + 1.1 * interval
        assert timing.due


@pytest.mark.parametrize(("started", "times"), [(0.0, 10), (49.0, 50), (1e6, 150)])
def test_flushes_take_a_hundredth_of_the_time(started: float, times: int) -> None:
    now = 0.0
    timing = FlushTiming(lambda: now)
    now = started
    with timing.flushing():
        now += 1.0
    now = started + 1.0 + 0.9 * times
    assert not timing.due
    now = started + 1.0 + 1.2 * times
    assert timing.due


def test_a_flush_is_due_after_five_minutes_in_any_case() -> None:
    now = 1e6
    timing = FlushTiming(lambda: now)
    with timing.flushing():
        now += 60.0
    now += 299.0
    assert not timing.due
    now += 2.0
    assert timing.due
