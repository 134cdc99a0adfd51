"""When a warning event was last seen, and how often."""

from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import CoreV1Event, CoreV1EventSeries

from pipeline.cluster.warning_events import first_seen, last_seen, moment, times_seen
from tests.unit.cluster.kubernetes_objects import event_about

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LATER = FIRST + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("event", "when", "times"),
    [
        (event_about("p", "m"), None, 1),
        (event_about("p", "m", LATER, first_timestamp=FIRST, count=4), LATER, 4),
        (event_about("p", "m", event_time=FIRST), FIRST, 1),
        (
            event_about("p", "m", event_time=FIRST, series=CoreV1EventSeries(count=3, last_observed_time=LATER)),
            LATER,
            3,
        ),
    ],
    ids=["without-a-time", "counted", "once", "in-a-series"],
)
def test_repetitions_of_an_event_are_counted(event: CoreV1Event, when: datetime | None, times: int) -> None:
    """An event has the time and the number of its repetitions, in the forms of both APIs for events."""
    assert (last_seen(event), times_seen(event)) == (when, times)
    assert first_seen(event) == (FIRST if when else None)
    assert moment(event) == (when.timestamp() if when else 0.0)
